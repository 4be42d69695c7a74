"""`diffusion-evaluate`: measure images, `diffusion-evaluate checkpoint=<run dir> num_images=10000`."""

import logging
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.folders import held, job_out
from diffusion_lightning.commands.swept import sweeping, swept
from diffusion_lightning.commands.task import run_command
from diffusion_lightning.commands.unread import refuse_typed
from diffusion_lightning.errors import UserError, check_at_least

log = logging.getLogger("evaluate")


def evaluate(cfg: DictConfig) -> dict[str, Any]:
    """Measure as configured and return the record in evaluation.json; {} in all processes but process 0."""
    _check(cfg)
    out = job_out(cfg)
    with held(out, "out"):
        return _evaluate(cfg, out)


def _evaluate(cfg: DictConfig, out: Path) -> dict[str, Any]:
    from diffusion_lightning.checkpoints.reader import find_checkpoint
    from diffusion_lightning.commands.processes import launch
    from diffusion_lightning.config.changed import changed
    from diffusion_lightning.config.instantiate import instantiate
    from diffusion_lightning.distributed import rank
    from diffusion_lightning.evaluation.floors import measure_floors
    from diffusion_lightning.evaluation.inputs import data_set, load_inputs
    from diffusion_lightning.evaluation.measure import (
        collect_statistics,
        load_reference,
        measure,
    )
    from diffusion_lightning.evaluation.record import (
        FORMAT,
        IMAGES,
        already_done,
        asked_for,
        learned_config,
        overrides,
        provenance,
    )
    from diffusion_lightning.evaluation.report import log_report, save_report
    from diffusion_lightning.hashing import file_sha256

    learned = learned_config(cfg)
    data = data_set(cfg, learned)
    asked = asked_for(cfg, learned, data, swept())
    done = None if cfg.overwrite else already_done(out, asked, swept())
    if done is not None:
        log.info("done already: %s", out)
        return done
    metrics = instantiate(cfg.metrics)
    for name, metric in metrics.items() if cfg.samples else ():
        if metric.needs_model:
            raise UserError(f"metrics.{name} measures a model, not the images of samples=; leave it out.")
    cfg = changed(cfg, {"device": launch(cfg.device, cfg.devices)})
    inputs = load_inputs(cfg, data)
    if cfg.checkpoint and file_sha256(find_checkpoint(cfg.checkpoint)) != asked["checkpoint_sha256"]:
        raise UserError(
            f"{find_checkpoint(cfg.checkpoint)} was replaced while it was read, as its run is training: "
            "evaluate a copy, or wait for the end of the run."
        )
    asked[IMAGES] = data.contents()
    reference = load_reference(data, inputs.extractor)
    # An error in the figures of the data comes before anything is drawn
    options: Any = OmegaConf.to_container(cfg.metrics, resolve=True)
    floor = measure_floors(metrics, options, reference, inputs.extractor, inputs.total)
    start = time.perf_counter()
    images = collect_statistics(inputs.blocks, inputs.total, inputs.extractor)
    seconds = time.perf_counter() - start
    if rank() > 0:
        return {}
    title = inputs.title if cfg.captions else ""
    samples = measure(metrics, images, reference, likelihood=inputs.likelihood, pictures=out, title=title)
    measured = {"samples": samples, **floor}
    record = {
        "format": FORMAT,
        "overrides": overrides(),
        "num_images": inputs.total,
        "nfe": inputs.nfe,
        "dtype": inputs.dtype,
        "seconds": round(seconds, 3),
        **{name: figures.values for name, figures in measured.items()},
        "reasons": {name: figures.reasons for name, figures in measured.items() if figures.reasons},
        "asked": asked,
        "provenance": provenance(inputs.data.title, inputs.extractor, reference),
    }
    save_report(record, images, out, inputs.data if cfg.captions else None, inputs.notice)
    if cfg.logger:
        log_report([instantiate(node) for node in cfg.logger.values()], record, out)
    return record


def _check(cfg: DictConfig) -> None:
    if not cfg.checkpoint and not cfg.samples:
        raise UserError(
            "what shall be measured? Give checkpoint=<file.ckpt or run directory>, or samples=<file.npz>."
        )
    if cfg.samples and not Path(cfg.samples).is_file():
        raise UserError(f"no file {cfg.samples}; give samples=<file.npz>.")
    if not cfg.metrics:
        raise UserError("metrics=[] measures nothing; try metrics=[fid,kid].")
    if cfg.samples:
        drawing = "sampler", "guidance", "clamp", "weights", "labels", "seed", "num_images", "speed"
        refuse_typed(drawing, "the images of samples= are drawn already")
    check_at_least("num_images", cfg.num_images, 2, 10_000_000)
    check_at_least("batch_size", cfg.batch_size)
    check_at_least("seed", cfg.seed, 0, 2**64 - 1)
    if check_at_least("devices", cfg.devices) > 1 and sweeping():
        raise UserError("a sweep measures on one device: leave devices=1, or run the evaluations one by one.")


def main() -> None:
    """The command line."""
    run_command(evaluate, "evaluate")


if __name__ == "__main__":
    main()
