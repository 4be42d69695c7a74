"""Training and validation steps, and the optimizer; sampling is elsewhere."""

import logging
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from diffusion_lightning.checkpoints.format import stamp
from diffusion_lightning.compat import allow_clipping
from diffusion_lightning.data.batches import Batch
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.learned_variance import LearnedVariance
from diffusion_lightning.diffusion.noise import ImageNoise, derive_seed, seed_generators
from diffusion_lightning.diffusion.objectives import Objective
from diffusion_lightning.errors import UserError
from diffusion_lightning.speed import Speed, dtype_of
from diffusion_lightning.training.data_module import data_of, train_batches_of
from diffusion_lightning.training.loss_by_time import LossByTime
from diffusion_lightning.training.lr_schedules import Constant, LearningRateSchedule
from diffusion_lightning.training.sharding import is_sharded, shard

log = logging.getLogger(__name__)


class DiffusionModule(LightningModule):
    """Trains a denoiser on L = E_t,ε weight(t) |output(x_t, t, y) - target|².

    Source: Ho et al. 2020 (DDPM), algorithm 1.

    Args:
        denoiser: the model to train.
        objective: the loss.
        guidance: how often labels are dropped.
        optimizer: parameters → optimizer.
        lr_schedule: the factor of the learning rate over the run.
        warmup_images: images over which the learning rate rises linearly from 0.
        seed: with epoch and batch, the key of every training step's randomness.
        speed: how the network computes; the precision is the trainer's.
    """

    measures = (
        "val/loss",
        "train/loss",
        "train/grad_norm",
        *(f"{stage}/loss_{quarter}" for stage in ("val", "train") for quarter in LossByTime.names),
    )
    """What it logs that may be monitored or optimized."""

    def __init__(
        self,
        denoiser: Denoiser,
        objective: Objective | LearnedVariance,
        guidance: Guidance,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        lr_schedule: LearningRateSchedule = Constant(),  # noqa: B008
        warmup_images: int = 0,
        seed: int = 0,
        speed: Speed | None = None,
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.objective = objective
        self.guidance = guidance
        self.optimizer = optimizer
        self.lr_schedule = lr_schedule
        self.warmup_images = warmup_images
        self.seed = seed
        self.speed = speed or Speed(compile=False)
        self.latest_loss: tuple[Tensor, Tensor] | None = None
        """Times (B,) and losses (B,) of the latest training batch."""
        self.images_seen = 0
        """Images trained on by all processes, those before the run was resumed included."""
        self._images_waiting = 0
        self._gradient_norm: Tensor | None = None
        self.train_loss = LossByTime()
        self.val_loss = LossByTime()

    @property
    def images_per_step(self) -> int:
        """Images of an optimizer step of whole batches, over all processes."""
        return images_of_step(self.trainer, data_of(self.trainer).batch_size)

    @property
    def _images_of_next_step(self) -> int:
        """Images of the optimizer step to come: an epoch's last window may have fewer batches."""
        trainer, batches = self.trainer, train_batches_of(self.trainer)
        limit = trainer.limit_train_batches
        count = min(limit, len(batches)) if isinstance(limit, int) else int(limit * len(batches))
        first = (trainer.fit_loop.epoch_loop.batch_idx + 1) % max(1, count)
        window = range(first, min(first + trainer.accumulate_grad_batches, count))
        return sum(map(batches.images_in, window))

    def on_train_start(self) -> None:
        """Compile the network, if the run is long enough for it.

        Raises:
            UserError: if the learning rate depends on the length of a run without end, or the network cannot
                be compiled as asked.
        """
        if self.lr_schedule.needs_length and math.isinf(self.trainer.estimated_stepping_batches):
            raise UserError(
                f"lr_schedule is {self.lr_schedule}, but the run has no last step: set trainer.max_epochs or "
                "trainer.max_steps, or choose lr_schedule=constant."
            )
        _lay_out_as_weights(self.trainer.optimizers)
        self._compile()

    def _compile(self) -> None:
        """Compile the network, if that is asked for or pays, and can be done."""
        trainer, network = self.trainer, self.denoiser.network
        if self.speed.compile == "reduce-overhead" and trainer.accumulate_grad_batches > 1:
            raise UserError(
                "speed.compile=reduce-overhead records CUDA graphs, which may overwrite gradients that "
                "trainer.accumulate_grad_batches adds up; set speed.compile=true."
            )
        if is_sharded(network):
            if self.speed.compile:
                raise UserError("shards of a network are not compiled: set speed.compile=false.")
            return
        batches = trainer.estimated_stepping_batches * trainer.accumulate_grad_batches
        self.speed.chosen(self.device.type, batches, training=True).compile_in_place(network)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the step's times, noise and dropped labels, drawn for the batches of all processes."""
        seed_generators(derive_seed(self.seed, self.current_epoch, batch_idx), self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean loss at random times, with random noise and dropped labels."""
        x0, y = batch
        n = len(x0) * self.trainer.world_size
        # Image i of this process is image i W + rank of a single process, and gets the same noise
        mine = slice(self.global_rank, None, self.trainer.world_size)
        t = self.objective.times(self.denoiser.schedule, n)[mine]
        eps = torch.randn(n, *x0.shape[1:], device=x0.device)[mine]
        y = self.guidance.drop_labels(y, self.denoiser.null(y), torch.rand(n, device=y.device)[mine])
        # Dropout differs between processes
        seed_generators(derive_seed(self.seed, self.current_epoch, batch_idx, self.global_rank), self.device)
        loss = self.objective(self.denoiser, x0, y, t, eps)
        self.latest_loss = t, loss.detach()
        self._images_waiting += train_batches_of(self.trainer).images_in(batch_idx)
        self.train_loss.update(loss.detach(), t)
        # Throughput shows it; with prog_bar=True Lightning reads it, and waits for the GPU, in every step
        self.log("train/loss", loss.mean(), on_step=True, on_epoch=False)
        return loss.mean()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss of every image at its own time and noise, the same for any batch and number of processes."""
        x0, y = batch
        world = self.trainer.world_size
        first = batch_idx * data_of(self.trainer).batch_size * world + self.global_rank
        images = range(first, first + len(x0) * world, world)
        eps = ImageNoise(0, images, x0.shape[1:], x0.device)()
        t = _evenly_spread(images, self.denoiser.schedule.T)
        if self.guidance.p_uncond == 1:
            y = self.denoiser.null(y)
        self.val_loss.update(self.objective(self.denoiser, x0, y, t, eps), t)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's loss per quarter of t."""
        self._log_means("train", self.train_loss)

    def on_validation_epoch_end(self) -> None:
        """Log the validation loss, over all t and per quarter of t."""
        self._log_means("val", self.val_loss)

    def _log_means(self, stage: str, metric: LossByTime) -> None:
        quarters, mean = metric.compute()
        if stage == "val":
            self.log("val/loss", mean, prog_bar=True)
        for name, value in zip(LossByTime.names, quarters, strict=True):
            if value.isnan() and mean.isfinite():
                log.info("%s/loss_%s is not logged: no image had such a time", stage, name)
            else:
                self.log(f"{stage}/loss_{name}", value)
        metric.reset()

    def configure_model(self) -> None:
        """Set the network's memory format, and shard it if the strategy says so (FSDP2)."""
        from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy

        trainer, network = self.trainer, self.denoiser.network
        self.denoiser.dtype = dtype_of(trainer.precision)
        self.speed.lay_out(network)
        if isinstance(trainer.strategy, DDPStrategy):
            _lay_out_gradients_as_weights(network)
        if isinstance(trainer.strategy, ModelParallelStrategy) and not is_sharded(network):
            shard(network, trainer.strategy.root_device, self.denoiser.dtype)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the format, and what a run needs beside its weights to resume within an epoch."""
        checkpoint |= stamp()
        checkpoint["images_per_step"] = self.images_per_step
        checkpoint["images_seen"] = self.images_seen
        checkpoint["train_loss"] = self.train_loss.all_sums()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the number of images and the sums of the loss.

        Raises:
            UserError: if the number of images per step has changed.
        """
        before = checkpoint.get("images_per_step", self.images_per_step)
        check_images_per_step(before, self.images_per_step)
        # Before version 0.2 the number was not counted, but derived from that of the steps
        self.images_seen = checkpoint.get("images_seen", checkpoint["global_step"] * before)
        if "train_loss" in checkpoint:
            self.train_loss.set_sums(checkpoint["train_loss"][self.global_rank :: self.trainer.world_size])

    def gradient_norm(self) -> Tensor:
        """Norm of the whole gradient, before it is clipped; computed once per optimizer step."""
        if self._gradient_norm is None:
            self._gradient_norm = get_total_norm([p.grad for p in self.parameters() if p.grad is not None])
        norm = self._gradient_norm
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Count the step's images, and log the norm of the gradient."""
        self.images_seen += self._images_waiting
        self._images_waiting = 0
        self.log("train/grad_norm", self.gradient_norm())

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the trainer says, without computing the norm again."""
        norm, self._gradient_norm = self._gradient_norm, None
        if norm is None or not gradient_clip_val or gradient_clip_algorithm == "value":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        else:
            clip_grads_with_norm_(self.parameters(), gradient_clip_val, norm)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The optimizer; the warm-up counts images, for any batch size and number of processes."""
        optimizer: Any = self.optimizer(self.parameters())
        allow_clipping(optimizer)

        def factor(step: int) -> float:
            warmup = min(1.0, (self.images_seen + self._images_of_next_step) / max(1, self.warmup_images))
            # The number of steps is known when the data are loaded, which a resumed run does later than this
            progress = step and min(1.0, step / self.trainer.estimated_stepping_batches)
            return warmup * self.lr_schedule(progress)

        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"},
        }


def images_of_step(trainer: Trainer, batch_size: int) -> int:
    """Images of an optimizer step of whole batches, over all processes.

    Args:
        trainer: says how many processes there are, and how many batches make a step.
        batch_size: images per process and batch.
    """
    return batch_size * trainer.world_size * trainer.accumulate_grad_batches


def check_images_per_step(before: int, now: int) -> None:
    """Refuse to resume a run with another number of images per optimizer step: it would be another run."""
    if before != now:
        raise UserError(
            f"the run took {before} images per step, and would now take {now}: set dataset.batch_size x "
            f"trainer.devices x trainer.accumulate_grad_batches to {before} again."
        )


def _lay_out_as_weights(optimizers: Iterable[Optimizer]) -> None:
    """Give the optimizer's state the strides of its weights; a resumed run may have another memory format.

    A fused step reads both in the order of memory, and would silently mix them up.
    """
    for weight, state in ((w, s) for optimizer in optimizers for w, s in optimizer.state.items()):
        for name, value in state.items():
            if value.shape == weight.shape and value.stride() != weight.stride():
                state[name] = torch.empty_like(weight).copy_(value)


def _lay_out_gradients_as_weights(network: nn.Module) -> None:
    """Give the gradients of 1x1 convolutions the strides of their weights, which DDP's buckets have.

    They differ in dimensions of size 1 alone, so no number moves; but DDP compares them, and warns.
    """
    for weight in network.parameters():
        if 1 in weight.shape[1:] and weight.requires_grad:
            weight.register_hook(partial(_with_strides, weight.stride()))


def _with_strides(strides: tuple[int, ...], gradient: Tensor) -> Tensor:
    same = all(n == 1 or a == b for n, a, b in zip(gradient.shape, gradient.stride(), strides, strict=True))
    return gradient.as_strided(gradient.shape, strides) if same else gradient


def _evenly_spread(images: range, T: int) -> Tensor:
    """A time in {1/T, …, 1} for each image number, (B,): any run of consecutive numbers covers all times.

    Image k is at the fractional part of k φ, with φ the golden ratio (Kronecker's sequence).
    """
    u = torch.tensor(images, dtype=torch.float64) * ((5**0.5 - 1) / 2) % 1
    return (u * T).floor().add(1).clamp(max=T) / T
