"""Ranges of numbers for Lightning and the optimizer, which check them late or never."""

from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.errors import UserError

POSITIVE = (
    *("optimizer.lr", "trainer.accumulate_grad_batches", "trainer.check_val_every_n_epoch"),
    *("trainer.limit_train_batches", "trainer.log_every_n_steps", "trainer.val_check_interval"),
)
NOT_NEGATIVE = (
    *("optimizer.weight_decay", "trainer.gradient_clip_val", "trainer.min_epochs", "trainer.min_steps"),
    "warmup_images",
)
LIMITS = "trainer.max_epochs", "trainer.max_steps"


def check_ranges(cfg: DictConfig) -> None:
    """Refuse numbers with which nothing would be trained, or training would fail midway.

    Raises:
        UserError: for the first number out of its range.
    """
    for name in POSITIVE + NOT_NEGATIVE + LIMITS:
        value = OmegaConf.select(cfg, name)
        if not isinstance(value, int | float) or value > 0 or (name in NOT_NEGATIVE and value == 0):
            continue
        if name not in LIMITS or value != -1:
            least = "0 or more" if name in NOT_NEGATIVE else "above 0"
            unlimited = ", or -1 for no limit" if name in LIMITS else ""
            raise UserError(f"{name} is {value}; it must be {least}{unlimited}.")
