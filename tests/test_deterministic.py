"""`trainer.deterministic=true`: nothing that a GPU computes in a run is without a deterministic kernel."""

import pytest
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from diffusion_lightning.commands.sample import sample
from tests.support.accelerator import OnDevice, without_float64
from tests.support.configs import composed, names
from tests.support.runs import train_in

pytestmark = pytest.mark.slow

REFUSED = (
    *("adaptive_avg_pool2d_backward", "adaptive_avg_pool3d_backward", "adaptive_max_pool2d_backward"),
    *("avg_pool3d_backward", "fractional_max_pool2d_backward", "fractional_max_pool3d_backward"),
    *("max_unpool2d", "max_unpool3d", "ctc_loss_backward", "embedding_bag", "grid_sampler", "nll_loss"),
    *("upsample_linear1d_backward", "upsample_bilinear2d_backward", "upsample_bicubic2d_backward"),
    *("upsample_trilinear3d_backward", "reflection_pad", "put_", "histc", "bincount", "median", "kthvalue"),
    *("scatter_reduce",),
)
"""What raises on a GPU under torch.use_deterministic_algorithms, by its documentation."""


class Computed(TorchDispatchMode):
    """The names of the operations with tensors of the device, gradients included."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if any(isinstance(x, OnDevice) for x in tree_leaves((args, kwargs))):
            self.names.add(func.overloadpacket.__name__)
        return func(*args, **kwargs or {})

    def refused(self):
        return {name for name in self.names if name.lstrip("_").startswith(REFUSED)}


TRAINING = ["guidance=cfg", "callbacks=fid", "callbacks.fid.num_images=4", "callbacks.fid.sampler.steps=2"]
TRAINING += ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "speed.precision=32-true"]


@pytest.mark.parametrize("objective", names("objective"))
def test_training_with_fid(objective, tmp_path):
    with without_float64(), Computed() as computed:
        train_in(tmp_path, *TRAINING, f"objective={objective}", "network.dropout=0.1")
    learned = {"convolution_backward", "native_group_norm_backward"}
    assert learned | {"embedding_dense_backward"} <= computed.names
    assert not computed.refused()


@pytest.mark.parametrize("sampler", names("sampler"))
def test_sampling(sampler, trained_digits, tmp_path):
    options = [f"checkpoint='{trained_digits}'", f"out='{tmp_path}'", "num_images=2", "clamp=dynamic"]
    options += [f"sampler={sampler}", "sampler.steps=3", "guidance.scale=2", "guidance.rescale=0.5"]
    with without_float64(), Computed() as computed:
        sample(composed("sample", *options, "speed.precision=32-true", with_hydra=False))
    assert "convolution" in computed.names and not computed.refused()
