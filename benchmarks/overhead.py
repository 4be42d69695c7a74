"""Lightning beside a bare loop, and beside one whose network costs nearly nothing."""

from benchmarks.settings import Row, Settings
from benchmarks.training import lightning, plain

TINY = (
    "dataset.batch_size=1",
    "dataset.image_size=8",
    "network.width=4",
    "network.channel_mults=[1]",
    "network.attention_resolutions=[]",
)


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """A case, or `tiny`, by one of the two."""
    train = {"lightning": lightning, "plain": plain}[program]
    return [train("mnist", settings, *TINY) if case == "tiny" else train(case, settings)]
