"""A trained denoiser and its walks: labels, noise, precision and progress, for all that a model draws."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from diffusion_lightning.diffusion.clamp import Clamp, Static
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.interpolation import invert
from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import ImageNoise, Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers import DDIM, Sampler
from diffusion_lightning.diffusion.samplers.base import WalkCallback
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import UserError, check_at_least
from diffusion_lightning.progress import progress as show
from diffusion_lightning.sampling.generate import generate
from diffusion_lightning.sampling.labels import check_away
from diffusion_lightning.speed import Speed


class Walk(NamedTuple):
    """What one walk took: evaluations of the network, and what it multiplied in."""

    nfe: int
    dtype: torch.dtype


class WatchedModel(SamplingModel):
    """A sampling model that moves a progress bar at each evaluation."""

    def __init__(self, denoiser: Denoiser, sampling: Sampling, y: Tensor | None, bar: Any) -> None:
        super().__init__(denoiser, sampling.guidance, sampling.clamp, y)
        self.bar = bar

    def __call__(self, x_t: Tensor, level: Level | float) -> Prediction:
        """The prediction at x_t (B, C, H, W) and its noise level."""
        self.bar.update()
        return super().__call__(x_t, level)


class TrainedModel:
    """A trained denoiser with what its walks need to know about it.

    `DiffusionModel` and the tasks of `sample.py` are made of these walks.

    Args:
        denoiser: the trained denoiser; it is put into evaluation mode.
        shape: (C, H, W) of an image, (D,) of a point.
        guidance: with the p_uncond of training; used where a call names none.
        class_names: one name per class, or None.
        speed: how the network computes; as suits the device unless given.
        config: the config of the run that trained it, as plain containers.

    Attributes:
        walks: what each walk so far took, the latest last.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        shape: Sequence[int],
        guidance: Guidance,
        class_names: Sequence[str] | None = None,
        speed: Speed | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.denoiser = denoiser.eval()
        self.shape = tuple(shape)
        self.guidance = guidance
        self.class_names = None if class_names is None else tuple(class_names)
        self.speed = speed or Speed()
        self.config = dict(config or {})
        self.walks: list[Walk] = []
        self._prepared: Speed | None = None
        self._choose_dtype()

    @property
    def num_classes(self) -> int:
        """K; 0 without labels."""
        return self.denoiser.num_classes

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.denoiser.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What the network multiplies in; everything else is float32."""
        return self.denoiser.dtype

    def sampling(
        self,
        sampler: Sampler | None = None,
        guidance: float | Guidance | None = None,
        clamp: Clamp | None = None,
    ) -> Sampling:
        """Sampler, guidance and clamp, with the defaults where None is given.

        Raises:
            UserError: if the guidance needs a branch that this model never trained.
        """
        if isinstance(guidance, Guidance):
            guidance = replace(guidance, p_uncond=self.guidance.p_uncond)
        elif guidance is not None:
            guidance = replace(self.guidance, scale=guidance)
        guidance = guidance or self.guidance
        check_away(guidance, self.num_classes)
        return Sampling(sampler or DDIM(), guidance, clamp or Static())

    def all_classes(self, guidance: Guidance) -> list[int] | None:
        """All classes in order, if the guidance looks at labels."""
        return list(range(self.num_classes)) if guidance.uses_labels else None

    def y(self, labels: Sequence[int] | None, n: int, guidance: Guidance) -> Tensor | None:
        """Labels (n,) on the device: `labels` in turn, or null labels where there are none.

        None if the guidance looks at no labels.

        Raises:
            UserError: if there are no labels, and the model has never seen the null label.
        """
        if not guidance.uses_labels:
            return None
        if labels is None:
            if guidance.p_uncond == 0:
                raise UserError("this conditional model needs to know the images' classes; add labels=[…].")
            labels = [self.num_classes]
        return torch.tensor([labels[i % len(labels)] for i in range(n)], device=self.device)

    def noise(self, seed: int, indices: Sequence[int]) -> ImageNoise:
        """The noise of the images with these numbers."""
        return ImageNoise(check_at_least("seed", seed, 0, 2**64 - 1), indices, self.shape, self.device)

    def draw(
        self,
        sampling: Sampling,
        y: Tensor | None,
        num_images: int,
        seed: int,
        batch_size: int,
        latents: Tensor | None = None,
        progress: bool = True,
        callback: WalkCallback | None = None,
    ) -> Iterator[Tensor]:
        """Yield images 0 … num_images - 1 of the seed, with labels y (num_images,), batch by batch."""
        check_at_least("seed", seed, 0, 2**64 - 1)
        check_at_least("batch_size", batch_size)
        sampler = sampling.sampler
        total = math.ceil(num_images / batch_size) * self.evaluations(sampler)
        self.prepare(total)
        labels = None if y is None else y.tolist()
        with show(total, "sampling", "evaluation", progress) as bar:

            def watch(i: int, t: float, prediction: Prediction) -> None:
                bar.update(1 if i == 0 else 1 + sampler.step_evaluations)
                if callback is not None:
                    callback(i, t, prediction)

            for images, nfe in generate(
                sampling,
                self.denoiser,
                labels,
                range(num_images),
                self.shape,
                seed,
                batch_size,
                watch,
                latents,
            ):
                self.walks.append(Walk(nfe, self.dtype))
                yield images

    def walk(
        self,
        sampling: Sampling,
        noise: Noise,
        y: Tensor | None = None,
        *,
        x: Tensor | None = None,
        t_start: float = 1.0,
        callback: WalkCallback | None = None,
        progress: bool = True,
    ) -> Tensor:
        """One walk of one batch to clean images (B, C, H, W).

        Args:
            sampling: sampler, guidance and clamp.
            noise: its first draw is the latent, unless x is given.
            y: labels (B,).
            x: noisy images (B, C, H, W) at t_start.
            t_start: where the walk begins, in (0, 1].
            callback: passed to the sampler.
            progress: show a bar.
        """
        sampler = sampling.sampler
        total = self.evaluations(sampler)
        self.prepare(total)
        with show(total, "sampling", "evaluation", progress) as bar:
            model = WatchedModel(self.denoiser, sampling, y, bar)
            x = noise() if x is None else x
            with self.denoiser.casting_once():
                images = sampler(model, x, t_start=t_start, noise=noise, callback=callback)
        self.walks.append(Walk(model.nfe, self.dtype))
        return images

    def evaluations(self, sampler: Sampler) -> int:
        """Evaluations of the network in a walk of this sampler."""
        return sampler.evaluations(len(sampler.times(self.denoiser.schedule)))

    def evaluations_inverting(self, sampler: Sampler, refinements: int) -> int:
        """Evaluations of the network in the inversion of a batch."""
        return 1 + refinements * len(sampler.times(self.denoiser.schedule))

    def prepare(self, evaluations: int = 1) -> None:
        """Apply `speed` for a number of evaluations to come; what is compiled stays compiled.

        Raises:
            UserError: if the network is to be compiled, and there is no compiler.
        """
        speed = self.speed.chosen(self.device.type, evaluations, training=False)
        speed.prepare_process()
        if self._prepared is None or (speed.compile and not self._prepared.compile):
            speed.prepare(self.denoiser.network)
            self._prepared = speed

    def invert_batch(
        self, sampling: Sampling, x0: Tensor, y: Tensor | None, refinements: int, progress: bool
    ) -> Tensor:
        """The latents (B, C, H, W) of one batch."""
        total = self.evaluations_inverting(sampling.sampler, refinements)
        self.prepare(total)
        with self.denoiser.in_float32(), show(total, "inversion", "evaluation", progress) as bar:
            model = WatchedModel(self.denoiser, sampling, y, bar)
            latents = invert(model, x0, sampling.sampler, refinements)
            self.walks.append(Walk(model.nfe, self.dtype))
        return latents

    def _choose_dtype(self) -> None:
        self.denoiser.dtype = self.speed.chosen(self.device.type, 1, training=False).dtype
