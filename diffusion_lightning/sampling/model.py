"""A trained model and what can be done with it: what `load` returns."""

import logging
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.diffusion.clamp import Clamp, KnownPixels, Static
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.interpolation import SlerpNoise, morph, slerp
from diffusion_lightning.diffusion.level import check_start
from diffusion_lightning.diffusion.likelihood.flow_likelihood import FlowLikelihood
from diffusion_lightning.diffusion.likelihood.variational_bound import checked
from diffusion_lightning.diffusion.samplers import Sampler
from diffusion_lightning.diffusion.samplers.base import WalkCallback
from diffusion_lightning.errors import NotFinite, UserError, check_at_least, check_counts
from diffusion_lightning.samples import from_stored, is_image
from diffusion_lightning.sampling.devices import available_device
from diffusion_lightning.sampling.labels import Labels, check_labels
from diffusion_lightning.sampling.likelihood import Bits, bits_per_dim
from diffusion_lightning.sampling.trained import TrainedModel

log = logging.getLogger(__name__)

NUM_IMAGES = 100
"""Images drawn unless their number is given."""


class DiffusionModel(TrainedModel):
    """What can be done with a trained model, built as a `TrainedModel` is.

    Images are (N, C, H, W), float32 in [-1, 1], on the model's device; a model of points draws (N, D), and
    what is said of images holds for points. Image k depends on the seed and on k alone:
    neither the batch size nor the other images change it.

    Every method takes `sampler` (DDIM with 50 steps unless given), `clamp` (`Static()` unless given) and
    `guidance`: a scale w of x0 = x0_null + w (x0_y - x0_null), a `Guidance` (whose p_uncond is replaced by
    the model's), or None for the guidance that the model was trained with. `progress=False` hides the bar;
    `callback(i, t, prediction)` sees every prediction at a time of a walk's grid.
    """

    def __repr__(self) -> str:
        network = self.denoiser.network
        parameters = sum(p.numel() for p in network.parameters())
        names = f" ({', '.join(self.class_names)})" if self.class_names else ""
        kind, axes = ("images", " (C, H, W)") if is_image(self.shape) else ("points", "")
        lines = {
            kind: f"{self.shape}{axes}",
            "classes": f"{self.num_classes}{names}",
            "network": f"{type(network).__name__}, {parameters:,} parameters",
            "schedule": type(self.denoiser.schedule).__name__,
            "parameterization": type(self.denoiser.parameterization).__name__,
            "guidance": f"p_uncond={self.guidance.p_uncond:g}, scale={self.guidance.scale:g}",
            "computes": f"in {str(self.dtype).removeprefix('torch.')} on {self.device}",
        }
        return "\n".join(["DiffusionModel(", *(f"  {name}: {text}" for name, text in lines.items()), ")"])

    def to(self, device: str | torch.device) -> "DiffusionModel":
        """Move the network to a device ("cpu", "cuda", "auto", …) and return this model.

        Raises:
            UserError: if the device is not available.
        """
        self.denoiser.to(available_device(str(device)))
        self._choose_dtype()
        return self

    def sample(
        self,
        labels: Labels = None,
        num_images: int | None = None,
        *,
        sampler: Sampler | None = None,
        guidance: float | Guidance | None = None,
        clamp: Clamp | None = None,
        seed: int = 0,
        batch_size: int = 50,
        latents: Tensor | None = None,
        progress: bool = True,
        callback: WalkCallback | None = None,
    ) -> Tensor:
        """Draw images (N, C, H, W): those that `sample.py` draws from the same checkpoint.

        Args:
            labels: classes to cycle through, by number or by name. None is all classes in order, or no class
                at all for given latents.
            num_images: N; unless given, one image per label or latent, or 100.
            sampler: see the class.
            guidance: see the class.
            clamp: see the class.
            progress: see the class.
            callback: see the class.
            seed: of all noise.
            batch_size: images per walk; changes speed and memory, never an image.
            latents: (N, C, H, W) in place of the first noise, such as `invert` gives. The network then
                computes in float32, as rounding would lead beside the image that was inverted.

        Raises:
            UserError: if a value is out of its range, or the model never learned what is asked for.
        """
        sampling = self.sampling(sampler, guidance, clamp)
        asked = self._asked(labels, sampling.guidance)
        if latents is not None:
            latents = self._images(latents, "latents")
        n = self._count(num_images, asked, latents)
        cycle = self.all_classes(sampling.guidance) if asked is None and latents is None else asked
        y = self.y(cycle, n, sampling.guidance)
        precision = nullcontext() if latents is None else self.denoiser.in_float32()
        with precision:
            return torch.cat(list(self.draw(sampling, y, n, seed, batch_size, latents, progress, callback)))

    def invert(
        self,
        images: Tensor,
        labels: Labels = None,
        *,
        sampler: Sampler | None = None,
        guidance: float | Guidance | None = None,
        clamp: Clamp | None = None,
        refinements: int = 2,
        batch_size: int = 50,
        progress: bool = True,
    ) -> Tensor:
        """Find the latents (N, C, H, W) from which `sample(labels, latents=…)` draws these images again.

        The network computes in float32: rounding would lead beside the image.

        Source: see `diffusion_lightning.invert`.

        Args:
            images: (N, C, H, W), in [-1, 1] or uint8.
            labels: classes to cycle through, by number or by name; None inverts without a class.
            sampler: see the class; it must be DDIM with eta=0.
            guidance: see the class.
            clamp: see the class.
            progress: see the class.
            refinements: of each step; more approach the exact inverse.
            batch_size: images per walk.

        Raises:
            UserError: if the images are of another shape, the sampler would not walk back, or a conditional
                model is given no labels.
        """
        check_counts(refinements=refinements, batch_size=batch_size)
        sampling, x0 = self.sampling(sampler, guidance, clamp), self._images(images)
        y = self.y(self._asked(labels, sampling.guidance), len(x0), sampling.guidance)
        parts = [slice(i, i + batch_size) for i in range(0, len(x0), batch_size)]
        latents = [
            self.invert_batch(sampling, x0[i], None if y is None else y[i], refinements, progress)
            for i in parts
        ]
        return torch.cat(latents)

    def interpolate(
        self,
        images: Tensor | None = None,
        *,
        latents: Tensor | None = None,
        pairs: int = 5,
        points: int = 9,
        labels: Labels = None,
        sampler: Sampler | None = None,
        guidance: float | Guidance | None = None,
        clamp: Clamp | None = None,
        seed: int = 0,
        to_seed: int | None = None,
        refinements: int = 2,
        progress: bool = True,
        callback: WalkCallback | None = None,
    ) -> Tensor:
        """Draw strips (P, points, C, H, W) from A to B along the arc between their latents, in one walk.

        A and B in turn are given as images (which are inverted), as latents, or else are the images 0, 1, …
        that `sample` draws from this seed; these are then the ends of the strips. With another seed to go to,
        a strip leads from image 0, 1, … of the one to the image of that number of the other. Where A and B
        have different labels, x0 goes from one label's to the other's.

        Source: Song, Meng & Ermon 2021 (DDIM), section 5.3.

        Args:
            images: A, B, A, B, … (2 P, C, H, W), in [-1, 1] or uint8.
            latents: theirs, in place of images.
            pairs: P, where neither is given.
            points: images in a strip, the ends included.
            labels: classes of A, B, A, B, … to cycle through, by number or by name. None is all classes in
                order, or no class at all for given images or latents.
            sampler: see the class.
            guidance: see the class.
            clamp: see the class.
            progress: see the class.
            callback: see the class.
            seed: of all noise.
            to_seed: of the noise of B, if not that of A.
            refinements: of the inversion.

        Raises:
            UserError: if a value is out of its range, or images are given that cannot be inverted.
        """
        check_counts(refinements=refinements, pairs=pairs)
        sampling, given = self.sampling(sampler, guidance, clamp), images is not None or latents is not None
        if images is not None and latents is not None:
            raise UserError("images and latents are both given; one of them is enough.")
        if given and to_seed is not None:
            raise UserError("to_seed leads to a drawn image, but images or latents are given; leave it out.")
        u = torch.linspace(0, 1, check_at_least("points", points, 2), dtype=torch.float64)
        x0 = None if images is None else self._images(images)
        z = None if latents is None else self._images(latents, "latents")
        ends = x0 if x0 is not None else z
        count = 2 * pairs if ends is None else len(ends)
        if count % 2:
            raise UserError(f"{count} images are given; pairs are needed: A, B or A, B, C, D.")
        asked = self._asked(labels, sampling.guidance)
        cycle = self.all_classes(sampling.guidance) if asked is None and not given else asked
        y = self.y(cycle, count, sampling.guidance)
        a = [i for i in range(0, count, 2) for _ in u]
        b = [i + 1 for i in a]
        u = u.repeat(count // 2)
        if to_seed is None:
            noise = SlerpNoise(self.noise(seed, a), self.noise(seed, b), u)
        else:
            pair = [i // 2 for i in a]
            noise = SlerpNoise(self.noise(seed, pair), self.noise(to_seed, pair), u)
        # The first noise is drawn in any case, so that no later step sees it again
        x = noise()
        with self.denoiser.in_float32() if given else nullcontext():
            if x0 is not None:
                z = self.invert_batch(sampling, x0, y, refinements, progress)
            if z is not None:
                x = slerp(z[a], z[b], u)
            changes: dict[str, Any] = {}
            if y is not None:
                changes["guidance"] = morph(sampling.guidance, y[a], y[b], u)
            start = None if y is None else y[a]
            sampling = replace(sampling, **changes)
            strips = self.walk(sampling, noise, start, x=x, progress=progress, callback=callback)
        return strips.view(count // 2, -1, *self.shape)

    def inpaint(
        self,
        images: Tensor,
        hole: Tensor,
        labels: Labels = None,
        *,
        samples: int = 1,
        sampler: Sampler | None = None,
        guidance: float | Guidance | None = None,
        clamp: Clamp | None = None,
        seed: int = 0,
        progress: bool = True,
        callback: WalkCallback | None = None,
    ) -> Tensor:
        """Fill the hole of images, in one walk: (N, samples, C, H, W), known pixels exact.

        Any sampler fills it (`KnownPixels`). RePaint's own walk, which comes back again and again, is
        `PredictorCorrector(predictor=DDPM(), corrector=Resample(), n_corrections=4)`.

        Source: Lugmayr et al. 2022 (RePaint, arXiv 2201.09865), algorithm 1.

        Args:
            images: (N, C, H, W), in [-1, 1] or uint8.
            hole: where pixels are unknown, bool, of a shape that broadcasts to (C, H, W).
            labels: classes of the images, in turn, by number or by name; None fills without a class.
            samples: fillings of each image.
            sampler: see the class.
            guidance: see the class.
            clamp: see the class.
            progress: see the class.
            callback: see the class.
            seed: of all noise.

        Raises:
            UserError: if the images or the hole are of another shape, or the hole has no pixel.
        """
        x0, sampling = self._images(images), self.sampling(sampler, guidance, clamp)
        known = x0.repeat_interleave(check_at_least("samples", samples, 1, 10_000), dim=0)
        if not hole.any():
            raise UserError("the hole has no pixel; it must be True somewhere.")
        filled = replace(sampling, clamp=KnownPixels(sampling.clamp, known, self._here(hole)))
        y = self.y(self._asked(labels, sampling.guidance), len(x0), sampling.guidance)
        y = None if y is None else y.repeat_interleave(samples)
        noise = self.noise(seed, range(len(known)))
        return self.walk(filled, noise, y, progress=progress, callback=callback).view(
            len(x0), samples, *self.shape
        )

    def image_to_image(
        self,
        images: Tensor,
        t_start: float,
        labels: Labels = None,
        *,
        sampler: Sampler | None = None,
        guidance: float | Guidance | None = None,
        clamp: Clamp | None = None,
        seed: int = 0,
        progress: bool = True,
        callback: WalkCallback | None = None,
    ) -> Tensor:
        """What the model makes of images (N, C, H, W) whose noise is that of a time.

        x_t = α x0 + σ ε at t_start, then the sampler's walk from there.

        Source: Meng et al. 2022 (SDEdit, arXiv 2108.01073), algorithm 2.

        Args:
            images: (N, C, H, W), in [-1, 1] or uint8.
            t_start: in (0, 1]; the later, the less of the images remains.
            labels: classes of the images, in turn, by number or by name; None draws without a class.
            sampler: see the class.
            guidance: see the class.
            clamp: see the class.
            progress: see the class.
            callback: see the class.
            seed: of all noise.

        Raises:
            UserError: if the images are of another shape, or the time is out of its range.
        """
        t, schedule = check_start(t_start), self.denoiser.schedule
        x0, sampling = self._images(images), self.sampling(sampler, guidance, clamp)
        y = self.y(self._asked(labels, sampling.guidance), len(x0), sampling.guidance)
        noise = self.noise(seed, range(len(x0)))
        x_t = schedule.alpha(t) * x0 + schedule.sigma(t) * noise()
        return self.walk(sampling, noise, y, x=x_t, t_start=t, progress=progress, callback=callback)

    def likelihood(
        self,
        pixels: Tensor,
        labels: Labels = None,
        *,
        steps: int | None = None,
        flow: FlowLikelihood | None = None,
        clamp: Clamp | None = None,
        seed: int = 0,
        batch_size: int = 50,
        progress: bool = True,
    ) -> Bits:
        """Bits per dimension of 8-bit images: by DDPM's bound, and by the probability-flow ODE.

        Both are upper bounds; the network computes in float32. Guidance is no likelihood: the model is
        measured at w = 1 with labels, and at w = 0 without. The bound sees the clamp; the ODE sees none,
        since its divergence would not.

        Source: see `variational_bound` and `FlowLikelihood`.

        Args:
            pixels: uint8 (N, C, H, W).
            labels: classes to cycle through, by number or by name; None measures the unconditional model.
            steps: times of DDPM's walk; None is all timesteps.
            flow: the ODE's solver; 50 steps unless given.
            clamp: see the class.
            progress: see the class.
            seed: of the noise; image k's depends on k alone.
            batch_size: images at a time.

        Raises:
            UserError: if the images are not 8-bit or of another shape, or the model never learned what is
                asked for.
        """
        self._check_shape(checked(pixels), "pixels")
        check_at_least("seed", seed, 0, 2**64 - 1)
        guidance = Guidance(self.guidance.p_uncond, float(labels is not None))
        y = self.y(self._asked(labels, guidance), len(pixels), guidance)
        clamp, flow = clamp or Static(), flow or FlowLikelihood()
        self.prepare()
        return bits_per_dim(
            self.denoiser, pixels, y, guidance.p_uncond, clamp, flow, steps, seed, batch_size, progress
        )

    def _count(self, num_images: int | None, labels: list[int] | None, latents: Tensor | None) -> int:
        """How many images to draw."""
        if latents is not None:
            if num_images not in (None, len(latents)):
                raise UserError(f"num_images is {num_images}, but there are {len(latents)} latents.")
            return len(latents)
        if num_images is None:
            return NUM_IMAGES if labels is None else len(labels)
        return check_at_least("num_images", num_images, 1, 10_000_000)

    def _asked(self, labels: Labels, guidance: Guidance) -> list[int] | None:
        """The numbers of the classes that are asked for."""
        return check_labels(labels, self.num_classes, guidance, self.class_names)

    def _images(self, images: Tensor, name: str = "images") -> Tensor:
        """The images as float32 on the device."""
        images = torch.as_tensor(images)
        self._check_shape(images, name)
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise UserError(
                f"the {name} are {images.dtype}; they must be uint8, or floating point in [-1, 1]."
            )
        x = from_stored(images)
        if not x.isfinite().all():
            raise NotFinite(f"the {name} hold NaN or infinity; all values must be finite.")
        low, high = (float(end) for end in x.aminmax())
        if name == "images" and (max(-low, high) > 2 or low >= 0):
            log.warning("the images go from %g to %g; those of a model go from -1 to 1", low, high)
        return self._here(x)

    def _here(self, x: Tensor) -> Tensor:
        """The tensor on the device in the usual layout: in that of an image reader other last bits follow."""
        return x.to(self.device).clone(memory_format=torch.contiguous_format)

    def _check_shape(self, images: Tensor, name: str) -> None:
        if tuple(images.shape[1:]) != self.shape or len(images) == 0:
            shape = ", ".join(map(str, self.shape))
            raise UserError(f"the {name} are {tuple(images.shape)}; this model's are (N, {shape}).")
