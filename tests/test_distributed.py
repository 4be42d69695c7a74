"""What processes tell each other."""

from unittest.mock import patch

from torch import distributed as dist

from diffusion_lightning.distributed import true_anywhere
from tests.support.runs import start_world


def answers(folder):
    """As where GPUs talk: a tensor that is moved to one fails here."""
    dist.init_process_group("gloo")
    with patch.object(dist, "get_backend", lambda: "nccl"):
        said = [true_anywhere(dist.get_rank() in holds) for holds in ((), (0,), (1,), (0, 1))]
    (folder / str(dist.get_rank())).write_text(repr(said))
    dist.destroy_process_group()


def test_processes_ask_each_other_without_their_gpus(tmp_path):
    processes = start_world(2, answers, tmp_path)
    for process in processes:
        process.join()
    assert [(tmp_path / name).read_text() for name in "01"] == ["[False, True, True, True]"] * 2
    assert true_anywhere(True) and not true_anywhere(False)
