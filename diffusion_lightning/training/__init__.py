"""Training: the LightningModule, its callbacks, and how a run is resumed."""
