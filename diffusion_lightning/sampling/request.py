"""What one call of `sample.py` or `evaluate.py` asks of a model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from diffusion_lightning.captions import Captions, data_title
from diffusion_lightning.checkpoints.reader import load_test_images
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.config.types import check_arguments
from diffusion_lightning.diffusion.likelihood.flow_likelihood import FlowLikelihood
from diffusion_lightning.diffusion.noise import ImageNoise, Noise
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.errors import UserError, naming
from diffusion_lightning.samples import from_stored, is_image
from diffusion_lightning.sampling.labels import check_labels, label_names
from diffusion_lightning.sampling.likelihood import Bits
from diffusion_lightning.sampling.load import load
from diffusion_lightning.sampling.model import DiffusionModel


@dataclass(frozen=True)
class SamplingRequest:
    """A model with the sampling that is asked for: what every task is handed.

    Args:
        model: the trained model.
        sampling: sampler, guidance and clamp.
        labels: the labels asked for; None if none are.
        seed: of all noise.
        batch_size: images at a time.
        data_dir: where the test images are, if not where they were in training.
        trust: further packages whose classes the checkpoint may build.
        captioned: pictures have captions.
    """

    model: DiffusionModel
    sampling: Sampling
    labels: list[int] | None = None
    seed: int = 0
    batch_size: int = 50
    data_dir: str | None = None
    trust: tuple[str, ...] = ()
    captioned: bool = True

    @property
    def cycle(self) -> list[int] | None:
        """Labels of drawn images, in turn: those asked for, or all classes; None for unconditional images."""
        return self.labels or self.model.all_classes(self.sampling.guidance)

    @property
    def data_title(self) -> str:
        """What titles and records call the data that the model learned."""
        return data_title(self.model.config)

    @property
    def nfe(self) -> int:
        """Evaluations of the network in the longest walk so far."""
        return max((walk.nfe for walk in self.model.walks), default=0)

    @property
    def evaluations(self) -> int:
        """Evaluations of the network in one walk."""
        return self.model.evaluations(self.sampling.sampler)

    @property
    def dtype(self) -> str:
        """What the network multiplied in: float32, bfloat16, …"""
        dtype = self.model.walks[-1].dtype if self.model.walks else self.model.dtype
        return str(dtype).removeprefix("torch.")

    @property
    def options(self) -> dict[str, Any]:
        """Sampler, guidance and clamp, as the methods of the model take them."""
        return dict(vars(self.sampling))

    def y(self, n: int) -> Tensor | None:
        """Labels (n,) of drawn images."""
        return self.model.y(self.cycle, n, self.sampling.guidance)

    def noise(self, indices: Sequence[int]) -> ImageNoise:
        """The noise of the images with these numbers."""
        return self.model.noise(self.seed, indices)

    def draw(self, noise: Noise, y: Tensor | None = None, **changes: Any) -> Tensor:
        """One walk of one batch to clean images (B, C, H, W).

        Args:
            noise: its first draw is the latent, unless x is given.
            y: labels (B,).
            changes: sampler, guidance or clamp in place of the request's; the other arguments are those of
                `DiffusionModel.walk`.
        """
        replaced = {name: changes.pop(name) for name in self.options if name in changes}
        return self.model.walk(replace(self.sampling, **replaced), noise, y, **changes)

    def images(self, which: Sequence[int | str]) -> tuple[Tensor, list[int] | None]:
        """Real images (B, C, H, W) in [-1, 1] on the device, and their labels, if wanted and known.

        Args:
            which: image files, or numbers of test images of the data set that the model learned. Their
                labels are those asked for, in turn; else those of the data set; files have none.

        Raises:
            UserError: if there is no such image, it cannot be read or is of another size, or files are named
                for a model of points.
        """
        from diffusion_lightning.data.image_files import read_exact

        numbers, known = [i for i in which if isinstance(i, int)], None
        if len(numbers) == len(which):
            data = self.model.config["dataset"]
            stored, labels = load_test_images(data, numbers, self.data_dir, self.trust)
            known = labels.tolist() if self.sampling.guidance.uses_labels else None
        elif not is_image(self.model.shape):
            raise UserError(
                "this model draws points, not images: give numbers of test points, such as [0,1]."
            )
        else:
            channels, *size = self.model.shape
            value_range = self.model.config["dataset"].get("value_range")
            files = [Path(str(file)) for file in which]
            stored = torch.stack([read_exact(file, channels, size, value_range) for file in files])
        return from_stored(stored).to(self.model.device), self.labels or known

    def title(self, text: str, *varied: str) -> str:
        """The text, and below it the data, the model and the walk; empty if pictures shall be bare.

        Args:
            text: what the picture shows.
            varied: what is left out, as the picture compares several or uses none: data, model, sampler,
                guidance or seed.
        """
        denoiser, guidance, sampler = self.model.denoiser, self.sampling.guidance, self.sampling.sampler
        parts = (type(part).__name__ for part in (denoiser.schedule, denoiser.parameterization))
        known = {
            "data": self.data_title,
            "model": f"{type(denoiser.network).__name__}, {', '.join(parts)}",
            "sampler": f"{type(sampler).__name__}, {len(sampler.times(denoiser.schedule))} steps",
            "guidance": str(guidance),
            "seed": f"seed {self.seed}",
        }
        described = "; ".join(said for name, said in known.items() if said and name not in varied)
        return f"{text}\n{described}" if self.captioned else ""

    def captions(self, text: str, *varied: str, **texts: Sequence[str]) -> Captions | None:
        """A title, as `title` makes it, and other captions; None if pictures shall be bare."""
        return Captions(self.title(text, *varied), **texts) if self.captioned else None

    def names(self, labels: Tensor | Sequence[int] | None, n: int) -> list[str]:
        """What pictures call the labels of n images, in turn; empty texts without labels."""
        listed = labels.tolist() if isinstance(labels, Tensor) else labels or [self.model.num_classes]
        shown = label_names(listed, self.model.num_classes, self.model.class_names)
        return [shown[i % len(shown)] for i in range(n)]

    def drawn(self, numbers: Sequence[int], labels: Tensor | Sequence[int] | None) -> list[str]:
        """What pictures call drawn images: `image 3 (cat)`."""
        names = self.names(labels, len(numbers))
        return [
            f"image {i} ({name})" if name else f"image {i}" for i, name in zip(numbers, names, strict=True)
        ]

    def sources(self, which: Sequence[int | str], labels: Tensor | Sequence[int] | None) -> list[str]:
        """What pictures call real images, and the class as which they are drawn: `test image 3 as cat`."""
        names = self.names(labels, len(which))
        shown = [f"test image {i}" if isinstance(i, int) else Path(i).name for i in which]
        return [f"{i}\nas {name}" if name else i for i, name in zip(shown, names, strict=True)]

    def likelihood(
        self, pixels: Tensor, labels: Tensor, steps: int | None = None, flow: FlowLikelihood | None = None
    ) -> Bits:
        """Bits per dimension of 8-bit images, as `DiffusionModel.likelihood` measures them.

        The labels count where the request looks at labels.
        """
        return self.model.likelihood(
            pixels,
            labels if self.sampling.guidance.uses_labels else None,
            steps=steps,
            flow=flow,
            clamp=self.sampling.clamp,
            seed=self.seed,
            batch_size=self.batch_size,
        )


def load_request(cfg: DictConfig) -> SamplingRequest:
    """The checkpoint's model with the sampling that a command line asks for.

    Raises:
        UserError: if the checkpoint is not usable, or the model never learned what is asked for.
    """
    trust = tuple(cfg.trust)
    speed = instantiate(cfg.speed)
    model = load(cfg.checkpoint, device=cfg.device, weights=cfg.weights, trust=trust, speed=speed)
    sampling = asked_sampling(cfg, model)
    labels = check_labels(cfg.labels, model.num_classes, sampling.guidance, model.class_names)
    batches = -(-(cfg.num_images or 1) // cfg.batch_size)
    with naming("sampler"):
        model.prepare(batches * model.evaluations(sampling.sampler))
    return SamplingRequest(
        model, sampling, labels, cfg.seed, cfg.batch_size, cfg.data_dir, trust, cfg.captions
    )


def asked_sampling(cfg: DictConfig, model: DiffusionModel) -> Sampling:
    """The sampler, guidance and clamp that a command line asks for, guidance as trained where it is silent.

    Raises:
        UserError: if the model never learned what is asked for.
    """
    guidance: Any = OmegaConf.to_container(cfg.guidance)
    asked = {name: value for name, value in guidance.items() if value is not None}
    check_arguments({"_target_": "diffusion_lightning.Guidance", **asked}, "guidance")
    with naming("guidance"):
        guidance = replace(model.guidance, **asked)
        return model.sampling(instantiate(cfg.sampler), guidance, instantiate(cfg.clamp))
