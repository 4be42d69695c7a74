"""Measure a model's images, or anybody's: `python evaluate.py checkpoint=<run dir> num_images=10000`."""

import logging
import time
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from diffusion_lightning.commands.task import make_folder, task
from diffusion_lightning.errors import UserError, check_at_least

log = logging.getLogger("evaluate")


def evaluate(cfg: DictConfig) -> dict[str, Any]:
    """Measure as configured and return the record that evaluation.json holds; {} but in process 0."""
    from diffusion_lightning.config.instantiate import instantiate
    from diffusion_lightning.distributed import launch, rank
    from diffusion_lightning.evaluation.inputs import load_inputs
    from diffusion_lightning.evaluation.measure import collect_statistics, floors, load_data, measure
    from diffusion_lightning.evaluation.record import already_done, asked_for, overrides, provenance
    from diffusion_lightning.evaluation.report import log_report, save_report

    _check(cfg)
    out, asked = Path(str(cfg.out)), asked_for(cfg)
    done = None if cfg.overwrite else already_done(out, asked)
    if done is not None:
        log.info("done already: %s", out)
        return done
    metrics = instantiate(cfg.metrics)
    cfg.device = launch(cfg.device, cfg.devices)
    subject = load_inputs(cfg)
    make_folder(out)
    data = load_data(subject.module, subject.extractor)
    # What the data do not allow is known before anything is drawn
    floor = floors(metrics, data, subject.total)
    start = time.perf_counter()
    images = collect_statistics(subject.parts, subject.total, subject.extractor)
    seconds = time.perf_counter() - start
    if rank() > 0:
        return {}
    record = {
        "overrides": overrides(),
        "num_images": subject.total,
        "nfe": subject.nfe,
        "dtype": subject.dtype,
        "seconds": round(seconds, 3),
        "samples": measure(metrics, images, data, likelihood=subject.likelihood, pictures=out),
        **floor,
        "asked": asked,
        "provenance": provenance(subject.extractor, data),
    }
    save_report(record, images, out)
    log_report([instantiate(node) for node in (cfg.logger or {}).values()], record, out)
    return record


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
        raise UserError("a sweep measures on one device: leave devices=1, or measure one by one.")


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
@task
def main(cfg: DictConfig) -> None:
    """Command line."""
    evaluate(cfg)


if __name__ == "__main__":
    main()
