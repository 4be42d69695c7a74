// The brush of every canvas in a .painter: squares of whole pixels of the model.
(() => {
  let last = null;

  const at = (canvas, event) => {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * canvas.width,
      ((event.clientY - box.top) / box.height) * canvas.height,
    ];
  };

  const dab = (canvas, [x, y]) => {
    const painter = canvas.closest(".painter");
    const size = Number(painter.querySelector("input[type=range]").value);
    const colour = painter.querySelector("input[type=color]");
    const context = canvas.getContext("2d");
    const square = [Math.round(x - size / 2), Math.round(y - size / 2), size, size];
    context.fillStyle = colour ? colour.value : "#ff2020";
    if (painter.querySelector("input[type=checkbox]").checked) context.clearRect(...square);
    else context.fillRect(...square);
  };

  document.addEventListener("pointerdown", (event) => {
    if (!event.target.matches?.(".painter canvas")) return;
    last = at(event.target, event);
    event.target.setPointerCapture(event.pointerId);
    dab(event.target, last);
  });

  document.addEventListener("pointermove", (event) => {
    if (last === null || !event.target.matches?.(".painter canvas")) return;
    const next = at(event.target, event);
    const steps = Math.ceil(2 * Math.hypot(next[0] - last[0], next[1] - last[1])) + 1;
    for (let i = 1; i <= steps; i++) {
      dab(event.target, [0, 1].map((k) => last[k] + ((next[k] - last[k]) * i) / steps));
    }
    last = next;
  });

  document.addEventListener("pointerup", () => (last = null));
  document.addEventListener("pointercancel", () => (last = null));

  document.addEventListener("click", (event) => {
    if (!event.target.matches?.(".painter [data-clear]")) return;
    const canvas = event.target.closest(".painter").querySelector("canvas");
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  });
})();
