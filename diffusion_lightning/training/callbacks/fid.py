"""FID and KID during training, with the averaged weights."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from diffusion_lightning.diffusion.samplers import Sampler
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.distributed import true_anywhere
from diffusion_lightning.errors import NotFinite, UserError, check_at_least, check_counts
from diffusion_lightning.evaluation.doubt import Figure, as_text, figure, judge
from diffusion_lightning.evaluation.measure import ImageBlock, counted, regrouped
from diffusion_lightning.evaluation.metrics.fid import fid
from diffusion_lightning.evaluation.metrics.kid import kernel_distance
from diffusion_lightning.evaluation.reference import KEPT_FEATURES, split_statistics
from diffusion_lightning.evaluation.statistics import ImageStatistics
from diffusion_lightning.progress import progress
from diffusion_lightning.samples import to_stored
from diffusion_lightning.sampling.generate import generate_sharded
from diffusion_lightning.training.callbacks.ema import averaged_weights
from diffusion_lightning.training.data_module import data_of

log = logging.getLogger(__name__)


class TrackFID(Callback):
    """Logs `fid` and `kid` to the training images, and `sample/seconds`, after every n-th epoch and the last.

    The FID of the test images is logged as `fid_floor`. Every process draws its shard, from the same noise
    each time. A figure that means nothing, such as of one test image, is not logged, and a warning says why;
    so does one where a walk is not finite. `ModelCheckpoint(monitor="fid")` works from the first epoch on:
    until FID is measured, it sees the largest float.

    Args:
        sampling: the run's guidance and clamp.
        extractor: the run's feature extractor.
        sampler: a fast sampler.
        every_n_epochs: measure after every n-th epoch.
        num_images: images drawn; None is 10,000 on a GPU and 1,000 on the CPU. FID falls with the number of
            images, so compare figures at equal numbers only.
        max_seconds: time for drawing; a run that takes longer continues with the number of images that fits,
            with a warning.
        batch_size: images per batch and process.
        seed: of the noise.
        kid_subsets: of KID; see `KID`.
        kid_subset_size: images in each of them.

    Raises:
        UserError: if a count or a time is not positive.
    """

    measures = "fid", "kid"
    """What it logs that may be monitored or optimized."""

    def __init__(
        self,
        sampling: Sampling,
        extractor: nn.Module,
        sampler: Sampler,
        every_n_epochs: int = 1,
        num_images: int | None = None,
        max_seconds: float = 600,
        batch_size: int = 100,
        seed: int = 0,
        kid_subsets: int = 100,
        kid_subset_size: int = 1000,
    ) -> None:
        check_counts(every_n_epochs=every_n_epochs, batch_size=batch_size, kid_subsets=kid_subsets)
        wanted = 2 if num_images is None else num_images
        check_counts(least=2, num_images=wanted, kid_subset_size=kid_subset_size)
        check_at_least("seed", seed, 0, 2**64 - 1)
        if not max_seconds > 0:
            raise UserError(f"max_seconds is {max_seconds}; it must be positive.")
        self.sampling = replace(sampling, sampler=sampler)
        self.extractor = extractor
        self.every_n_epochs = every_n_epochs
        self.num_images = num_images
        self.max_seconds = max_seconds
        self.batch_size = batch_size
        self.seed = seed
        self._said: set[tuple[str, str]] = set()
        self.kid = {"subsets": kid_subsets, "subset_size": kid_subset_size}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Load the statistics of the data from the cache, or compute them."""
        self.extractor.to(pl_module.device)
        self.num_images = self.num_images or (1000 if pl_module.device.type == "cpu" else 10_000)
        self.reference, test = split_statistics(data_of(trainer), self.extractor)
        self.test_set_floor = fid(test, self.reference)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A run that resumes within an epoch has no `on_train_epoch_start` for it."""
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Until FID is measured, it is the largest float; early stopping would end the run at infinity."""
        for name in self.measures:
            trainer.callback_metrics[name] = torch.tensor(torch.finfo().max)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure after every n-th epoch and after the last."""
        epoch = trainer.current_epoch + 1
        last = epoch == trainer.max_epochs or trainer.global_step == trainer.max_steps
        if epoch % self.every_n_epochs and not last:
            return
        start = time.perf_counter()
        try:
            statistics = self._draw(trainer, pl_module)
        except NotFinite as error:  # the run may get over it, and FiniteGuard ends one that does not
            log.warning("no fid of step %d: %s", trainer.global_step, error)
            return
        seconds = time.perf_counter() - start
        figures: dict[str, Figure] = {
            "fid": fid(statistics, self.reference),
            "kid": figure(lambda: kernel_distance(statistics, self.reference, **self.kid)[0]),
            "fid_floor": self.test_set_floor,
        }
        for name, value in figures.items():
            self._log(pl_module, name, value)
        pl_module.log_dict({"sample/seconds": seconds, "sample/images": float(statistics.n)})
        log.info(
            "fid %s, kid %s of %d images in %.0f s (the test images' fid: %s)",
            as_text(figures["fid"]),
            as_text(figures["kid"]),
            statistics.n,
            seconds,
            as_text(self.test_set_floor),
        )

    def _log(self, module: LightningModule, name: str, figure: Figure) -> None:
        """Log a figure, unless it is null; what is doubtful about it is said once."""
        judged = judge(figure)
        if judged.reason and (name, judged.reason) not in self._said:
            self._said.add((name, judged.reason))
            log.warning("%s%s: %s", name, "" if judged.value is not None else " is not logged", judged.reason)
        if judged.value is not None:
            module.log(name, judged.value, prog_bar=name == "fid")

    def _draw(self, trainer: Trainer, module: Any) -> ImageStatistics:
        """Statistics of images that the model draws, of as many as there is time for."""
        data, n = data_of(trainer), self.num_images
        assert n is not None, "call on_fit_start first"
        classes = range(data.num_classes) if self.sampling.guidance.uses_labels else None
        statistics = ImageStatistics(KEPT_FEATURES)
        with averaged_weights(trainer, module), progress(n, "FID", "image", trainer.is_global_zero) as bar:
            drawn = generate_sharded(
                self.sampling, module.denoiser, classes, n, data.shape, self.seed, self.batch_size
            )
            blocks = (ImageBlock(to_stored(images), labels, count) for images, labels, count, _ in drawn)
            for block in regrouped(counted(self._in_time(blocks, n), bar)):
                statistics.add(self.extractor, *block)
        return statistics

    def _in_time(self, blocks: Iterator[ImageBlock], num_images: int) -> Iterator[ImageBlock]:
        """The blocks that there is time for."""
        drawn, start = 0, time.perf_counter()
        for block in blocks:
            yield block
            drawn += block.total
            late = true_anywhere(time.perf_counter() - start > self.max_seconds)
            if late and 2 <= drawn < num_images:
                self._settle_for(drawn)
                return

    def _settle_for(self, num_images: int) -> None:
        """Draw as many images from now on, so that the figures compare."""
        log.warning(
            "%d of %d images took %g s, so FID is of %d images from now on, which makes it higher: raise "
            "callbacks.fid.max_seconds, or lower callbacks.fid.sampler.steps or callbacks.fid.num_images",
            num_images,
            self.num_images,
            self.max_seconds,
            num_images,
        )
        self.num_images = num_images
