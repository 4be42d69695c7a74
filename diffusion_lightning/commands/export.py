"""`diffusion-export`: a model for other libraries, `checkpoint=<run> format=diffusers out=<folder>`."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.folders import check_free, held, job_out, remove_if_empty
from diffusion_lightning.commands.task import check_checkpoint, run_command
from diffusion_lightning.commands.unread import refuse_typed
from diffusion_lightning.errors import UserError
from diffusion_lightning.files import read_json, whole_folder, write_json

if TYPE_CHECKING:
    from diffusion_lightning.exchange.base import Exported
    from diffusion_lightning.sampling.model import DiffusionModel

log = logging.getLogger("export")

RECORD = "export.json"
"""What was exported, and the files that it was written to."""

DRAWING = "seed", "captions", "data_dir", "speed", "device"
"""Options that only drawing reads."""


def export(cfg: DictConfig) -> Path:
    """Write the model as configured, record it in export.json and return the folder."""
    check_checkpoint(cfg)
    out = job_out(cfg)
    with held(out, "out"):
        _export(cfg, out)
    return out


def _export(cfg: DictConfig, out: Path) -> None:
    from diffusion_lightning.config.instantiate import instantiate

    earlier = _earlier(out, cfg.overwrite)
    refuse_typed(DRAWING, "an export draws nothing")
    write = instantiate(cfg.format)
    refuse_typed(write.unread, "the format goes by")
    exported = _exported(cfg)
    with whole_folder(out) as folder:
        usage = write(exported, folder)
        files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        write_json({**_record(cfg, exported), "files": files}, folder / RECORD)
    for name in set(earlier) - set(files):
        (out / name).unlink(missing_ok=True)
        remove_if_empty(*(out / folder for folder in Path(name).parents))
    log.info("%s: %s", out, usage)


def _earlier(out: Path, overwrite: bool) -> list[str]:
    """The files of an earlier export into this folder.

    Raises:
        UserError: if the folder is not empty, unless it may be written over.
    """
    check_free(out, overwrite)
    try:
        names = read_json(out / RECORD)["files"]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [name for name in names if (out / str(name)).resolve().is_relative_to(out.resolve())]


def _exported(cfg: DictConfig) -> "Exported":
    from diffusion_lightning.checkpoints.reader import read_checkpoint
    from diffusion_lightning.exchange.base import Exported
    from diffusion_lightning.sampling.load import model_of
    from diffusion_lightning.sampling.request import asked_sampling

    checkpoint = read_checkpoint(cfg.checkpoint)
    model = model_of(checkpoint, "cpu", cfg.weights, tuple(cfg.trust))
    sampling = asked_sampling(cfg, model)
    label = _label(cfg, model, sampling.guidance.uses_labels)
    return Exported(model.denoiser, sampling, label, model.class_names, checkpoint)


def _label(cfg: DictConfig, model: "DiffusionModel", uses_labels: bool) -> int | None:
    """The one label that is drawn, K for the null label; None if the label stays an input."""
    from diffusion_lightning.sampling.labels import check_labels

    if cfg.labels == "all":
        return None if uses_labels else model.num_classes
    if cfg.labels is None:
        if model.guidance.p_uncond == 0:
            raise UserError(
                "labels=null needs the null label, which this conditional model never trained: leave labels "
                "out, or choose one class."
            )
        return model.num_classes
    labels: Any = OmegaConf.to_container(cfg)["labels"]  # type: ignore[index, call-overload]
    listed = check_labels(labels, model.num_classes, model.guidance, model.class_names)
    if listed is None or len(listed) != 1:
        raise UserError(f"labels={labels} are several classes; choose one, or leave labels out.")
    refuse_typed(("guidance",), "one class alone is drawn without guidance")
    return listed[0]


def _record(cfg: DictConfig, exported: "Exported") -> dict[str, Any]:
    """What export.json says of the model."""
    from dataclasses import asdict

    from diffusion_lightning import __version__
    from diffusion_lightning.checkpoints.reader import find_checkpoint
    from diffusion_lightning.hashing import file_sha256

    asked: Any = OmegaConf.to_container(cfg, resolve=True)
    file = find_checkpoint(cfg.checkpoint)
    return {
        "version": __version__,
        "checkpoint": str(file),
        "checkpoint_sha256": file_sha256(file),
        **{key: asked[key] for key in ("format", "weights", "labels", "sampler", "clamp")},
        "guidance": asdict(exported.sampling.guidance),
    }


def main() -> None:
    """The command line."""
    run_command(export, "export")


if __name__ == "__main__":
    main()
