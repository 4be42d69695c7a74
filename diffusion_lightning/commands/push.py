"""`diffusion-push`: a trained model on the Hugging Face hub, `checkpoint=<run> repo=<owner>/<name>`."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from diffusion_lightning.commands.folders import check_free, held, job_out
from diffusion_lightning.commands.task import check_checkpoint, run_command
from diffusion_lightning.commands.unread import refuse_typed
from diffusion_lightning.errors import UserError, check_at_least
from diffusion_lightning.files import read_json, whole_folder

if TYPE_CHECKING:
    from diffusion_lightning.exchange.base import Exported
    from diffusion_lightning.sampling.request import SamplingRequest

log = logging.getLogger("push")


def push(cfg: DictConfig) -> Path:
    """Write the folder of the model, send it unless it is a dry run, and return it."""
    from diffusion_lightning.checkpoints.hub import check_repository
    from diffusion_lightning.exchange.hub_folder import check_login

    check_checkpoint(cfg)
    if not cfg.repo:
        raise UserError("where to? Give repo=<owner>/<name>.")
    check_repository(cfg.repo)
    check_at_least("num_images", cfg.num_images, 0, 1000)
    check_at_least("batch_size", cfg.batch_size)
    check_at_least("seed", cfg.seed, 0, 2**64 - 1)
    if cfg.weights != "ema":
        raise UserError(
            "weights=raw are not pushed: a model is handed on with its averaged weights; leave it out."
        )
    refuse_typed(("data_dir",), "no data are read")
    if not cfg.dry_run:
        check_login()
    out = job_out(cfg)
    with held(out, "out"):
        _push(cfg, out)
    return out


def _push(cfg: DictConfig, out: Path) -> None:
    from diffusion_lightning.exchange.hub_folder import PICTURE, upload, write_hub_folder
    from diffusion_lightning.sampling.request import load_request

    check_free(out, cfg.overwrite)
    evaluation = _evaluation(cfg)
    request = load_request(cfg)
    exported = _exported(cfg, request)
    with whole_folder(out) as folder:
        if cfg.num_images:
            _draw(request, cfg.num_images, folder / PICTURE)
        write_hub_folder(exported, cfg.repo, folder, cfg.license, evaluation, cfg.half)
        files = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        if not cfg.dry_run:
            commit = upload(folder, cfg.repo, cfg.private)
    for name, size in files.items():
        log.info("%12s bytes  %s", f"{size:,}", name)
    if cfg.dry_run:
        log.info("%s: what dry_run=false would send to %s", out, cfg.repo)
    else:
        log.info("sent: checkpoint=hf:%s@%s", cfg.repo, commit)


def _exported(cfg: DictConfig, request: "SamplingRequest") -> "Exported":
    from diffusion_lightning.checkpoints.reader import load_denoiser, read_checkpoint
    from diffusion_lightning.exchange.base import Exported

    model, sampling = request.model, request.sampling
    checkpoint = read_checkpoint(cfg.checkpoint)
    label = None if sampling.guidance.uses_labels else model.num_classes
    denoiser = load_denoiser(checkpoint, trust=tuple(cfg.trust))
    return Exported(denoiser, sampling, label, model.class_names, checkpoint)


def _draw(request: "SamplingRequest", num_images: int, file: Path) -> None:
    """Draw images in a grid, one class per column."""
    import torch

    from diffusion_lightning.captions import Captions
    from diffusion_lightning.images import grid_columns
    from diffusion_lightning.samples import save_grid

    y = request.y(num_images)
    batches = request.model.draw(request.sampling, y, num_images, request.seed, request.batch_size)
    images = torch.cat([batch.cpu() for batch in batches])
    columns = grid_columns(num_images, len(request.cycle or ()))
    names = request.names(y, num_images)
    captions = Captions.of_images(names, columns, "") if request.captioned else None
    save_grid(images, file, columns, captions)


def _evaluation(cfg: DictConfig) -> dict[str, Any] | None:
    """The record of the evaluation that the command line names.

    Raises:
        UserError: if it is none, or of another checkpoint.
    """
    from diffusion_lightning.checkpoints.reader import find_checkpoint
    from diffusion_lightning.evaluation.reading import RECORD
    from diffusion_lightning.hashing import file_sha256

    if cfg.evaluation is None:
        return None
    file = Path(cfg.evaluation)
    file = file / RECORD if file.is_dir() else file
    try:
        record: Any = read_json(file)
        of, weights = (record["asked"].get(key) for key in ("checkpoint_sha256", "weights"))
        record["samples"].items()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise UserError(
            f"evaluation={cfg.evaluation} has no {RECORD}; give the `out` of evaluate.py."
        ) from None
    if of != file_sha256(find_checkpoint(cfg.checkpoint)):
        raise UserError(
            f"evaluation={cfg.evaluation} is of another checkpoint: evaluate this one, and give its folder."
        )
    if weights != cfg.weights:
        raise UserError(f"evaluation={cfg.evaluation} is of weights={weights}; evaluate the averaged ones.")
    return record


def main() -> None:
    """The command line."""
    run_command(push, "push")


if __name__ == "__main__":
    main()
