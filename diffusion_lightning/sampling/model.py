"""A trained model and how to draw from it: what every task of `sample.py` is handed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from tqdm.auto import tqdm

from diffusion_lightning.checkpoints.reader import config_of, load_denoiser, load_test_images, read_checkpoint
from diffusion_lightning.config.build import build_sampling
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.config.types import check_arguments
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.interpolation import invert
from diffusion_lightning.diffusion.noise import ImageNoise, Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Callback, Sampler
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import UserError
from diffusion_lightning.images import from_uint8
from diffusion_lightning.speed import device_type


@dataclass
class Trained:
    """A denoiser with the sampling asked for.

    Args:
        denoiser: in evaluation mode, on its device.
        sampling: sampler, guidance and clamp.
        run: the config of the run that trained it.
        labels: the labels to cycle through; None for unconditional images.
        labels_given: whether they were asked for, and are not just all there are.
        seed: of all noise.
        batch_size: images at a time.
        data_dir: where the test images lie, if not where they lay in training.
        trust: further packages whose classes the checkpoint may build.
    """

    denoiser: Denoiser
    sampling: Sampling
    run: DictConfig
    labels: list[int] | None
    labels_given: bool
    seed: int
    batch_size: int
    data_dir: str | None = None
    trust: tuple[str, ...] = ()
    evaluations: list[int] = field(default_factory=list)
    """Evaluations of the network in each walk so far."""

    @property
    def data(self) -> DictConfig:
        """The data set that it learned: image_channels, image_size, num_classes."""
        return self.run.dataset

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.denoiser.parameters()).device

    @property
    def dtype(self) -> str:
        """What the network multiplies in: float32, bfloat16, …"""
        return str(self.denoiser.dtype).removeprefix("torch.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.data.image_channels, self.data.image_size, self.data.image_size

    def y(self, n: int) -> Tensor | None:
        """Labels (n,), in turn from `labels`."""
        if self.labels is None:
            return None
        return torch.tensor([self.labels[i % len(self.labels)] for i in range(n)], device=self.device)

    def noise(self, indices: Sequence[int]) -> ImageNoise:
        """The noise of the images with these numbers."""
        return ImageNoise(self.seed, indices, self.shape, self.device)

    def model(self, y: Tensor | None, **changes: Any) -> SamplingModel:
        """What a sampler sees, for labels y (B,); `changes` replace guidance or clamp."""
        guidance = changes.get("guidance", self.sampling.guidance)
        return SamplingModel(self.denoiser, guidance, changes.get("clamp", self.sampling.clamp), y)

    def draw(
        self,
        noise: Noise,
        y: Tensor | None = None,
        *,
        x: Tensor | None = None,
        t_start: float = 1.0,
        callback: Callback | None = None,
        **changes: Any,
    ) -> Tensor:
        """One walk of a batch: clean images (B, C, H, W), with a progress bar.

        Args:
            noise: its first draw is the latent, unless x is given.
            y: labels (B,).
            x: noisy images at t_start.
            t_start: where the walk begins.
            callback: handed on to the sampler.
            changes: sampler, guidance or clamp in place of the run's.
        """
        model, sampler = self.model(y, **changes), changes.get("sampler", self.sampling.sampler)
        total = sampler.steps or model.schedule.T
        with tqdm(total=total, desc="sampling", unit="step", leave=False) as bar:

            def seen(i: int, t: float, prediction: Prediction) -> None:
                bar.update()
                if callback:
                    callback(i, t, prediction)

            x = noise() if x is None else x
            images = sampler(model, x, t_start=t_start, noise=noise, callback=seen)
        self.evaluations.append(model.nfe)
        return images

    def invert(self, x0: Tensor, y: Tensor | None, refinements: int) -> Tensor:
        """The latents (B, C, H, W) from which the run's sampler draws x0 (B, C, H, W) with labels y.

        From here on the network computes in float32: rounding on the way back would lead beside the image.
        """
        self.denoiser.dtype = torch.float32
        model = self.model(y)
        latents = invert(model, x0, self.sampling.sampler, refinements)
        self.evaluations.append(model.nfe)
        return latents

    def images(self, which: Sequence[int | str]) -> tuple[Tensor, Tensor | None]:
        """Real images (B, C, H, W) in [-1, 1], and labels (B,) if they are wanted and known.

        Args:
            which: image files, or numbers of test images of the data set that the model learned. Their
                labels are those asked for, in turn; else what the data set says; else the null label.

        Raises:
            UserError: if there is no such image, it cannot be read or is of another size, or it has no
                label and the model needs one.
        """
        from diffusion_lightning.data.image_folder import read_exact

        if isinstance(which, str | int) or not which:
            raise UserError(
                f"images is {which!r}; it must list files or numbers of test images, such as "
                "task.images=[0,1]."
            )
        numbers = [i for i in which if isinstance(i, int)]
        if len(numbers) == len(which):
            pixels, known = load_test_images(self.data, numbers, self.data_dir, self.trust)
        else:
            channels, size, _ = self.shape
            pixels = torch.stack([read_exact(Path(str(file)), channels, size) for file in which])
            known = None
        x0 = from_uint8(pixels).to(self.device)
        if not self.sampling.guidance.uses_labels:
            return x0, None
        if self.labels_given:
            return x0, self.y(len(which))
        return x0, (self._null(len(which)) if known is None else known).to(self.device)

    def _null(self, n: int) -> Tensor:
        """Null labels (n,), with which any guidance scale draws without labels."""
        if self.sampling.guidance.p_uncond == 0:
            raise UserError("this conditional model needs to know the images' classes; add labels=[…].")
        return self.denoiser.null(torch.zeros(n, dtype=torch.long))


def load_trained(cfg: DictConfig) -> Trained:
    """The checkpoint's model with the sampling that `sample.py` is asked for.

    Raises:
        UserError: if the checkpoint is not usable, or what is asked does not go with the model.
    """
    checkpoint = read_checkpoint(cfg.checkpoint)
    run = config_of(checkpoint)
    merged = cfg.copy()
    # The checkpoint's guidance, where the command line says nothing else
    asked = {name: value for name, value in cfg.guidance.items() if value is not None}
    target = {"_target_": "diffusion_lightning.Guidance"}
    merged.guidance = {**run.guidance, **asked, **target}
    check_arguments(OmegaConf.to_container(merged.guidance), "guidance")
    sampling = build_sampling(merged)
    trust = tuple(cfg.trust)
    denoiser = load_denoiser(checkpoint, cfg.weights, trust).to(device_of(cfg.device))
    _make_fast(denoiser, cfg, sampling.sampler)
    return Trained(
        denoiser,
        sampling,
        run,
        labels=_labels(cfg.labels, run.dataset.num_classes, sampling.guidance),
        labels_given=cfg.labels is not None,
        seed=cfg.seed,
        batch_size=cfg.batch_size,
        data_dir=cfg.data_dir,
        trust=trust,
    )


def _make_fast(denoiser: Denoiser, cfg: DictConfig, sampler: Sampler) -> None:
    """Apply `speed=`, as suits the number of evaluations that are to come."""
    batches = math.ceil((cfg.num_images or 1) / cfg.batch_size)
    evaluations = batches * sampler.evaluations(sampler.steps or denoiser.schedule.T)
    device = next(denoiser.parameters()).device.type
    speed = instantiate(cfg.speed).chosen(device, evaluations, training=False)
    speed.prepare_process()
    speed.prepare(denoiser.network)
    denoiser.dtype = speed.dtype


def _labels(asked: Any, num_classes: int, guidance: Guidance) -> list[int] | None:
    """The labels to cycle through; None for unconditional images."""
    if not guidance.uses_labels:
        if asked is not None:
            raise UserError(
                "labels need a conditional model, but these images are unconditional "
                f"(guidance.scale=0, p_uncond={guidance.p_uncond}); leave labels out."
            )
        return None
    labels = list(range(num_classes)) if asked is None else asked
    labels = [labels] if isinstance(labels, int) else list(labels)
    bad = [y for y in labels if not isinstance(y, int) or not 0 <= y < num_classes]
    if bad or not labels:
        raise UserError(
            f"labels={labels} must be class numbers from 0 to {num_classes - 1}, "
            f"such as labels=[0,{num_classes - 1}]."
        )
    return labels


def device_of(name: str) -> str:
    """The device of that name; auto is a GPU if there is one.

    Raises:
        UserError: if it is not to be had.
    """
    if name != "auto":
        try:
            torch.zeros(1, device=name).item()
        except (RuntimeError, AssertionError, TypeError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"device={name} is not to be had here ({reason}); try device=auto.") from None
        return name
    return device_type(name)
