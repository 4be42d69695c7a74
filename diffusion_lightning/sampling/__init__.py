"""Drawing from a trained model."""
