"""Draw images from a checkpoint alone: `python sample.py checkpoint=<run dir> sampler.steps=50`."""

import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig, OmegaConf, open_dict

from diffusion_lightning.cli import task
from diffusion_lightning.errors import UserError

if TYPE_CHECKING:
    from diffusion_lightning.generate import Sampling

log = logging.getLogger("sample")


def sample(cfg: DictConfig) -> Path:
    """Draw images as configured and return the folder with grid.png, samples.npz, sampling.json."""
    import numpy as np
    import torch
    from tqdm.auto import tqdm

    from diffusion_lightning.build import build_sampling
    from diffusion_lightning.checkpoint import (
        config_of,
        find_checkpoint,
        load_denoiser,
        read_checkpoint,
    )
    from diffusion_lightning.generate import generate
    from diffusion_lightning.images import grid_columns, save_grid, to_uint8

    out = Path(str(cfg.out))
    _check(cfg, out)
    file = find_checkpoint(cfg.checkpoint)
    checkpoint = read_checkpoint(file)
    run = config_of(checkpoint)
    sampling = build_sampling(_with_guidance_of(run, cfg))
    num_classes = run.dataset.num_classes if sampling.guidance.uses_labels else 0
    choice = _labels(cfg.labels, run.dataset.num_classes, sampling)
    num_images = cfg.num_images or (len(choice) if cfg.labels is not None else 100)
    labels = [choice[i % len(choice)] for i in range(num_images)] if choice else None
    denoiser = load_denoiser(checkpoint, cfg.weights, tuple(cfg.trust)).to(_device(cfg.device))

    data = run.dataset
    shape = (data.image_channels, data.image_size, data.image_size)
    batches, evaluations, start = [], [], time.perf_counter()
    steps = (sampling.sampler.steps or denoiser.schedule.T) * -(-num_images // cfg.batch_size)
    with tqdm(total=steps, desc="sampling", unit="step") as bar:
        for images, nfe in generate(
            sampling,
            denoiser,
            labels,
            range(num_images),
            shape,
            cfg.seed,
            cfg.batch_size,
            callback=lambda *_: bar.update(),
        ):
            batches.append(to_uint8(images).cpu())
            evaluations.append(nfe)
    seconds = time.perf_counter() - start

    pixels = torch.cat(batches)
    out.mkdir(parents=True, exist_ok=True)
    save_grid(pixels, grid_columns(num_images, len(choice) if choice else 0), out / "grid.png")
    np.savez(
        out / "samples.npz",
        arr_0=pixels.permute(0, 2, 3, 1).numpy(),
        arr_1=np.array(labels if labels else [num_classes] * num_images, dtype=np.int64),
    )
    record = {
        "checkpoint": str(file),
        "weights": cfg.weights,
        "sampler": _plain(cfg.sampler),
        "grid": _plain(cfg.sampler.grid),
        "nfe": evaluations[0],
        "guidance": {"scale": sampling.guidance.scale, "p_uncond": sampling.guidance.p_uncond},
        "clamp": _plain(cfg.clamp),
        "labels": _plain(cfg.labels),
        "num_images": num_images,
        "batch_size": cfg.batch_size,
        "seed": cfg.seed,
        "seconds": round(seconds, 3),
    }
    (out / "sampling.json").write_text(json.dumps(record, indent=2) + "\n")
    log.info(
        "%d images, %d evaluations each, %.1f s: %s", num_images, evaluations[0], seconds, out / "grid.png"
    )
    return out


def _check(cfg: DictConfig, out: Path) -> None:
    if not cfg.checkpoint:
        raise UserError("which model? Give checkpoint=<file.ckpt> or checkpoint=<run directory>.")
    at_least = {"num_images": 1, "batch_size": 1, "seed": 0}
    for name, least in at_least.items():
        value = cfg[name]
        if value is None and name == "num_images":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(f"{name} is {value!r}; it must be an integer of at least {least}.")
    if (out / "samples.npz").exists() and not cfg.overwrite:
        raise UserError(f"{out} already holds samples: add overwrite=true, or choose another out=.")


def _with_guidance_of(run: DictConfig, cfg: DictConfig) -> DictConfig:
    """The sampling config, with the checkpoint's guidance at the scale asked for."""
    merged = cfg.copy()
    with open_dict(merged):
        merged.guidance = {
            "_target_": "diffusion_lightning.guidance.Guidance",
            "p_uncond": run.guidance.p_uncond,
            "scale": run.guidance.scale if cfg.guidance.scale is None else cfg.guidance.scale,
        }
    return merged


def _labels(asked: Any, num_classes: int, sampling: "Sampling") -> list[int]:
    """The labels to cycle through; empty for unconditional images."""
    if not sampling.guidance.uses_labels:
        if asked is not None:
            raise UserError(
                "labels need a conditional model, but these images are unconditional "
                f"(guidance.scale=0, p_uncond={sampling.guidance.p_uncond}); leave labels out."
            )
        return []
    labels = list(range(num_classes)) if asked is None else asked
    labels = [labels] if isinstance(labels, int) else list(labels)
    bad = [y for y in labels if not isinstance(y, int) or not 0 <= y < num_classes]
    if bad or not labels:
        raise UserError(
            f"labels={labels} must be class numbers from 0 to {num_classes - 1}, "
            f"such as labels=[0,{num_classes - 1}]."
        )
    return labels


def _device(name: str) -> str:
    import torch

    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node


@hydra.main(version_base="1.3", config_path="conf", config_name="sample")
@task
def main(cfg: DictConfig) -> None:
    """Command line."""
    sample(cfg)


if __name__ == "__main__":
    main()
