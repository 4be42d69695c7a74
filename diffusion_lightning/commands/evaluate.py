"""`diffusion-evaluate`: measure images, `diffusion-evaluate checkpoint=<run dir> num_images=10000`."""

import logging
import time
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from diffusion_lightning.commands.task import make_folder, run_command
from diffusion_lightning.errors import UserError, check_at_least

log = logging.getLogger("evaluate")


def evaluate(cfg: DictConfig) -> dict[str, Any]:
    """Measure as configured and return the record in evaluation.json; {} in all processes but process 0."""
    from diffusion_lightning.commands.processes import launch
    from diffusion_lightning.config.changed import changed
    from diffusion_lightning.config.instantiate import instantiate
    from diffusion_lightning.distributed import rank
    from diffusion_lightning.evaluation.inputs import load_inputs
    from diffusion_lightning.evaluation.measure import (
        collect_statistics,
        load_reference,
        measure,
        measure_floors,
    )
    from diffusion_lightning.evaluation.record import FORMAT, already_done, asked_for, overrides, provenance
    from diffusion_lightning.evaluation.report import log_report, save_report

    _check(cfg)
    out, asked = Path(str(cfg.out)), asked_for(cfg)
    done = None if cfg.overwrite else already_done(out, asked)
    if done is not None:
        log.info("done already: %s", out)
        return done
    metrics = instantiate(cfg.metrics)
    cfg = changed(cfg, {"device": launch(cfg.device, cfg.devices)})
    inputs = load_inputs(cfg)
    make_folder(out)
    reference = load_reference(inputs.data, inputs.extractor)
    # An error in the figures of the data comes before anything is drawn
    floor = measure_floors(metrics, reference, inputs.total)
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
        "provenance": provenance(type(inputs.data).__name__, inputs.extractor, reference),
    }
    save_report(record, images, out, inputs.data if cfg.captions else None)
    log_report([instantiate(node) for node in (cfg.logger or {}).values()], record, out)
    return record


def check_given(cfg: DictConfig) -> None:
    """Refuse what only the checkpoint says.

    Raises:
        UserError: if a network is given; its values cannot be resolved without a data set.
    """
    if "network" in cfg:
        raise UserError("the network is the checkpoint's; leave network= out.")


def _check(cfg: DictConfig) -> None:
    if not cfg.checkpoint and not cfg.samples:
        raise UserError(
            "what shall be measured? Give checkpoint=<file.ckpt or run directory>, or samples=<file.npz>."
        )
    if not cfg.metrics:
        raise UserError("metrics=[] measures nothing; try metrics=[fid,kid].")
    check_at_least("num_images", cfg.num_images, 2, 10_000_000)
    check_at_least("batch_size", cfg.batch_size)
    check_at_least("seed", cfg.seed, 0, 2**64 - 1)
    sweeping = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    if check_at_least("devices", cfg.devices) > 1 and sweeping:
        raise UserError("a sweep measures on one device: leave devices=1, or run the evaluations one by one.")


def main() -> None:
    """The command line."""
    run_command(evaluate, "evaluate", check_given)


if __name__ == "__main__":
    main()
