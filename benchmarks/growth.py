"""How our training step grows with what it is given."""

from benchmarks.settings import Row, Settings
from benchmarks.training import lightning


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """MNIST's network with another batch, width or resolution."""
    size = int(program)
    changes = {
        "batch": [f"dataset.batch_size={size}"],
        "width": [f"network.width={size}"],
        "resolution": [f"dataset.image_size={size}", f"network.attention_resolutions=[{size // 4}]"],
    }
    return [lightning("mnist", settings, "dataset.batch_size=16", *changes[case])]
