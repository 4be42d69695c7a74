"""What the tables say, in sentences that are made from their rows."""

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from benchmarks.parts import ONLY, WHOLE
from benchmarks.settings import Row

Results = dict[str, Any]


def findings(part: str, results: Results) -> list[str]:
    """The part's sentences, one for each case; none where something is missing."""
    sentences: list[str] = []
    rows = results["parts"][part]["rows"]
    for case in dict.fromkeys(row["case"] for row in rows):
        try:
            sentences += FINDERS.get(part, _nothing)(results, case)
        except KeyError:
            continue
    return sentences


def roofs(results: Results) -> dict[str, float]:
    """The most FLOP a second of each type."""
    found: dict[str, float] = {}
    for row in results["parts"].get("roof", {"rows": []})["rows"]:
        if "seconds" in row:
            rate = row["flop"] / row["seconds"]["median"]
            found[row["dtype"]] = max(rate, found.get(row["dtype"], 0.0))
    return found


def _row(results: Results, part: str, case: str, program: str) -> Row:
    """The row that was measured.

    Raises:
        KeyError: if it was not.
    """
    for row in results["parts"][part]["rows"]:
        if (row["case"], row["program"]) == (case, program) and "error" not in row:
            return row
    raise KeyError(program)


def _seconds(results: Results, part: str, case: str, program: str) -> float:
    return _row(results, part, case, program)["seconds"]["median"]


def _nothing(results: Results, case: str) -> Iterator[str]:
    yield from ()


def _roof(results: Results, case: str) -> Iterator[str]:
    yield f"The roof of {case} is {roofs(results)[case] / 1e9:,.0f} GFLOP/s."


def _against_peers(part: str, program: str) -> Callable[[Results, str], Iterator[str]]:
    """How our program compares with the others; of the two diffusers with levers, with the faster one."""

    def found(results: Results, case: str) -> Iterator[str]:
        ours = _seconds(results, part, case, program)
        rows = {
            row["program"]: row["seconds"]["median"]
            for row in results["parts"][part]["rows"]
            if row["case"] == case and "seconds" in row
        }
        levers = {name: rows[name] for name in ("diffusers-bf16", "diffusers-levers") if name in rows}
        fastest = sorted(levers, key=levers.__getitem__)[:1]
        names = [name for name in ("diffusers", *fastest, "denoising-diffusion-pytorch") if name in rows]
        if names:
            compared = ", ".join(f"{rows[name] / ours:.2f} × {name}" for name in names)
            yield f"{case}: `{program}` runs at the speed of {compared}."

    return found


def _sampling(results: Results, case: str) -> Iterator[str]:
    yield from _against_peers("sampling", "ours")(results, case)
    guided, ours = (_row(results, "sampling", case, name)["rounds"] for name in ("ours-guided", "ours"))
    factor = median(g / o for g, o in zip(guided, ours, strict=False))
    yield f"{case}: a guided evaluation takes {factor:.2f} × an unguided one (aim: at most 2.05)."


def _overhead(results: Results, case: str) -> Iterator[str]:
    lightning, plain = (_row(results, "overhead", case, name)["rounds"] for name in ("lightning", "plain"))
    pairs = list(zip(lightning, plain, strict=False))
    added = sorted(100 * (a / b - 1) for a, b in pairs)
    ms = 1000 * median(a - b for a, b in pairs)
    spread = f"from {added[0]:.1f} to {added[-1]:.1f} over {len(added)} pairs of processes"
    aim = "" if case == "tiny" else " (aim: at most 3 %)"
    yield f"{case}: Lightning adds {ms:.2f} ms a step, {median(added):.1f} % ({spread}){aim}."


def _sampler(results: Results, case: str) -> Iterator[str]:
    aims = {"DDIM, 50 steps": 0.1, "DDPM, 1000 steps": 0.6}
    if case in aims:
        ms = 1000 * _seconds(results, "sampler", case, "ours")
        yield f"{case}: {ms:.3f} ms a step (aim: below {aims[case]})."
    if case == "memory":
        short, long = (
            _row(results, "sampler", case, f"DDPM, {number} steps")["memory"] for number in (10, 1000)
        )
        verdict = "equal" if short == long else "NOT equal"
        yield f"Bytes of images at the peak of a walk: {short:,} in 10 steps, {long:,} in 1000: {verdict}."


def _profile(results: Results, case: str) -> Iterator[str]:
    whole, alone = (_seconds(results, "profile", case, program) for program in (WHOLE, ONLY))
    yield f"{case}: {whole / alone:.2f} × its convolutions and products alone."


def _quality(results: Results, case: str) -> Iterator[str]:
    """For each sampler, the first of its rows whose FID is near the lowest that it reached."""
    rows = [row for row in results["parts"]["quality"]["rows"] if row["case"] == case and "FID" in row]
    for sampler in dict.fromkeys(row["program"].partition(",")[0] for row in rows):
        own = [row for row in rows if row["program"].startswith(f"{sampler},")]
        lowest = min(row["FID"] for row in own)
        reached = ", ".join(
            f"{within} × in {row['seconds']['median']:.3g} s ({row['program'].partition(', ')[2]})"
            for within in (1.5, 1.2)
            for row in [next(row for row in own if row["FID"] <= within * lowest)]
        )
        yield f"{case}: {sampler} reaches FID {lowest:.3g} at best, and of that {reached}."


def _data(results: Results, case: str) -> Iterator[str]:
    loading, step = _row(results, "data", case, "ours"), _row(results, "training", case, "lightning")
    share = (loading["seconds"]["median"] / loading["images"]) / (step["seconds"]["median"] / step["images"])
    yield f"{case}: loading takes {100 * share:.2g} % of a training step (aim: below 1 %)."


def _levers(results: Results, case: str) -> Iterator[str]:
    plain = _seconds(results, "levers", case, "plain")
    rows = [row for row in results["parts"]["levers"]["rows"] if row["case"] == case and "seconds" in row]
    fastest = min(rows, key=lambda row: row["seconds"]["median"])
    smallest = min(rows, key=lambda row: row["memory"])
    gain = plain / fastest["seconds"]["median"]
    yield f"{case}: fastest is {fastest['program']}, {gain:.2f} × plain; smallest is {smallest['program']}."


def _growth(results: Results, case: str) -> Iterator[str]:
    roof = roofs(results)
    rows = [row for row in results["parts"]["growth"]["rows"] if row["case"] == case and "seconds" in row]
    shares = {row["program"]: row["flop"] / row["seconds"]["median"] / roof[row["dtype"]] for row in rows}
    if shares:
        least = min(shares, key=shares.__getitem__)
        yield f"{case}: furthest below the roof at {least}, with {100 * shares[least]:.0f} % of it."


FINDERS: dict[str, Callable[[Results, str], Iterator[str]]] = {
    "roof": _roof,
    "training": _against_peers("training", "lightning"),
    "overhead": _overhead,
    "sampling": _sampling,
    "sampler": _sampler,
    "profile": _profile,
    "quality": _quality,
    "data": _data,
    "levers": _levers,
    "growth": _growth,
}
"""By the name of the part."""
