"""A data set as Lightning's trainer takes it."""

from lightning.pytorch import LightningDataModule, Trainer

from diffusion_lightning.data.base import SampleData
from diffusion_lightning.data.batches import Batch, BatchSampler, Loader, PixelBatch


class DataModule(LightningDataModule):
    """Hands Lightning the batches of a data set: to each process its shard, for the device that it trains on.

    The data sets themselves know nothing of Lightning, so that drawing and measuring need not import it.

    Args:
        data: the data set.
    """

    def __init__(self, data: SampleData) -> None:
        super().__init__()
        self.data = data

    def prepare_data(self) -> None:
        """Download what is missing."""
        self.data.prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Load both splits once."""
        self.data.setup()

    def batches(self, train: bool) -> BatchSampler:
        """Which images this process sees in each batch."""
        trainer: Trainer = self.trainer  # type: ignore[assignment]
        # A run that overfits sees the same few batches in every epoch
        shuffle = train and not trainer.overfit_batches > 0  # type: ignore[attr-defined]
        return self.data.batches(train, shuffle, trainer.global_rank, trainer.world_size)

    def train_dataloader(self) -> Loader:
        """Shuffled batches."""
        return self._loader(train=True)

    def val_dataloader(self) -> Loader:
        """The test split in order."""
        return self._loader(train=False)

    def _loader(self, train: bool) -> Loader:
        assert self.trainer is not None, "a trainer asks for batches"
        return self.data.loader(train, self.batches(train), self.trainer.strategy.root_device)

    def on_after_batch_transfer(self, batch: PixelBatch, dataloader_idx: int) -> Batch:
        """Samples as a model sees them."""
        return self.data.as_seen(batch)


def data_of(trainer: Trainer) -> SampleData:
    """The data set that a trainer trains on."""
    return trainer.datamodule.data  # type: ignore[attr-defined]


def train_batches_of(trainer: Trainer) -> BatchSampler:
    """Which images make up each batch that a trainer trains on."""
    return trainer.datamodule.batches(train=True)  # type: ignore[attr-defined]
