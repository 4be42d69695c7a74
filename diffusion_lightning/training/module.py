"""Training and validation steps and the optimizer; sampling is none of its business."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from diffusion_lightning.checkpoints.format import stamp
from diffusion_lightning.data.base import data_of
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.noise import ImageNoise, derive_seed, seed_generators
from diffusion_lightning.diffusion.objectives import Objective
from diffusion_lightning.errors import UserError
from diffusion_lightning.networks.base import Staged
from diffusion_lightning.speed import Speed, dtype_of
from diffusion_lightning.training.loss_by_time import LossByTime

Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W) in [-1, 1] and labels (B,)."""


class DiffusionModule(LightningModule):
    """Trains a denoiser on L = E_t,ε weight(t) |output(x_t, t, y) - target|².

    Source: Ho et al. 2020 (DDPM), algorithm 1.

    Args:
        denoiser: what is trained.
        objective: the loss.
        guidance: which labels are dropped.
        optimizer: parameters → optimizer.
        warmup_images: images over which the learning rate rises linearly from 0.
        seed: with epoch and batch, the key of every training step's randomness.
        speed: how the network computes; the precision is the trainer's.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        objective: Objective,
        guidance: Guidance,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        warmup_images: int = 0,
        seed: int = 0,
        speed: Speed | None = None,
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.objective = objective
        self.guidance = guidance
        self.optimizer = optimizer
        self.warmup_images = warmup_images
        self.seed = seed
        self.speed = speed or Speed(compile=False)
        self.latest_loss: tuple[Tensor, Tensor] | None = None
        """Times (B,) and losses (B,) of the latest training batch."""
        self.gradient_norm: Tensor | None = None
        """Of the latest batch, before it is clipped, if somebody computed it."""
        self.train_loss = LossByTime()
        self.val_loss = LossByTime()

    @property
    def images_per_step(self) -> int:
        """Images of one optimizer step, over all processes."""
        trainer = self.trainer
        return data_of(trainer).batch_size * trainer.world_size * trainer.accumulate_grad_batches

    @property
    def images_seen(self) -> int:
        """Images trained on; a resumed run counts on."""
        return self.global_step * self.images_per_step

    def on_train_start(self) -> None:
        """Compile the network, if that pays in a run of this length."""
        _lay_out_as_weights(self.trainer.optimizers)
        batches = self.trainer.estimated_stepping_batches * self.trainer.accumulate_grad_batches
        self.speed.chosen(self.device.type, batches, training=True).compile_in_place(self.denoiser.network)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Key the step's times, noise and dropped labels: those of the whole batch of all processes."""
        seed_generators(derive_seed(self.seed, self.current_epoch, batch_idx), self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean loss at random times t in {1/T, …, 1}, with random noise and dropped labels."""
        x0, y = batch
        T = self.denoiser.schedule.T
        n = len(x0) * self.trainer.world_size
        # Image i of W processes' batches is one process's image i W + rank: both train on the same noise
        mine = slice(self.global_rank, None, self.trainer.world_size)
        t = torch.randint(1, T + 1, (n,))[mine].double() / T
        eps = torch.randn(n, *x0.shape[1:], device=x0.device)[mine]
        y = self.guidance.drop_labels(y, self.denoiser.null(y), torch.rand(n, device=y.device)[mine])
        # Units of the network are dropped by each process on its own
        seed_generators(derive_seed(self.seed, self.current_epoch, batch_idx, self.global_rank), self.device)
        loss = self.objective(self.denoiser, x0, y, t, eps)
        self.latest_loss = t, loss.detach()
        self.train_loss.update(loss.detach(), t)
        self.log("train/loss", loss.mean(), prog_bar=True, on_step=True, on_epoch=False)
        return loss.mean()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss of every image at its own time, with its own noise: the same for any batch and world size."""
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
        """Log the validation loss, as a whole and per quarter of t."""
        self._log_means("val", self.val_loss)

    def _log_means(self, stage: str, metric: LossByTime) -> None:
        quarters, mean = metric.compute()
        if stage == "val":
            self.log("val/loss", mean, prog_bar=True)
        for name, value in zip(LossByTime.names, quarters, strict=True):
            self.log(f"{stage}/loss_{name}", value)
        metric.reset()

    def configure_model(self) -> None:
        """Lay the network out, and shard it over the processes if the strategy is of shards (FSDP2)."""
        from lightning.pytorch.strategies import ModelParallelStrategy
        from torch.distributed.fsdp import FSDPModule, fully_shard

        trainer, network = self.trainer, self.denoiser.network
        self.denoiser.dtype = dtype_of(trainer.precision)
        self.speed.lay_out(network)
        if isinstance(trainer.strategy, ModelParallelStrategy) and not isinstance(network, FSDPModule):
            for stage in network.stages() if isinstance(network, Staged) else ():
                fully_shard(stage)
            fully_shard(network, reshard_after_forward=True)  # averages swap places with shards after it

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what a run that goes on from mid-epoch needs beside the weights, and the format."""
        checkpoint |= stamp()
        checkpoint["images_per_step"] = self.images_per_step
        checkpoint["train_loss"] = self.train_loss.all_sums()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it back.

        Raises:
            UserError: if the steps are of another number of images than they were.
        """
        before = checkpoint.get("images_per_step", self.images_per_step)
        if before != self.images_per_step:
            raise UserError(
                f"the run took {before} images a step, and would now take {self.images_per_step}: set "
                f"dataset.batch_size x trainer.devices x trainer.accumulate_grad_batches to {before} again."
            )
        if "train_loss" in checkpoint:
            self.train_loss.set_sums(checkpoint["train_loss"][self.global_rank :: self.trainer.world_size])

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the trainer says, by the norm that is known already."""
        norm, self.gradient_norm = self.gradient_norm, None
        if norm is None or not gradient_clip_val or gradient_clip_algorithm == "value":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        else:
            clip_grads_with_norm_(self.parameters(), gradient_clip_val, norm)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The optimizer, with a warm-up that counts images, whatever the batch and the world."""
        optimizer: Any = self.optimizer(self.denoiser.parameters())
        # A fused optimizer says that its step unscales fp16 gradients; clipping needs them unscaled before,
        # and without this Lightning refuses to clip, in bf16 too, where nothing is scaled.
        optimizer._step_supports_amp_scaling = False

        def warmup(step: int) -> float:
            return min(1.0, (step + 1) * self.images_per_step / max(1, self.warmup_images))

        scheduler = LambdaLR(optimizer, warmup)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


def _lay_out_as_weights(optimizers: Iterable[Optimizer]) -> None:
    """Give the optimizer's state, perhaps of a run with another memory format, the strides of its weights.

    A fused step walks through both in the order of memory, and would silently mix them up.
    """
    for weight, state in ((w, s) for optimizer in optimizers for w, s in optimizer.state.items()):
        for name, value in state.items():
            if value.shape == weight.shape and value.stride() != weight.stride():
                state[name] = torch.empty_like(weight).copy_(value)


def _evenly_spread(images: range, T: int) -> Tensor:
    """A time in {1/T, …, 1} for each image number, (B,): any run of numbers covers all times evenly.

    Image k is at the fractional part of k φ, φ the golden ratio (Kronecker's sequence).
    """
    u = torch.tensor(images, dtype=torch.float64) * ((5**0.5 - 1) / 2) % 1
    return (u * T).floor().add(1).clamp(max=T) / T
