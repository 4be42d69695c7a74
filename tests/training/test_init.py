import pytest
import torch

from diffusion_lightning.errors import UserError
from tests.support.runs import train_in

SHORT = "trainer.max_epochs=1", "trainer.limit_train_batches=2"


def weights(folder, key="state_dict"):
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return {name: w for name, w in checkpoint[key].items() if name.startswith("denoiser.")}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first") / "run"
    train_in(folder, *SHORT, "seed=5")
    return folder


def test_a_run_starts_from_the_averaged_weights_of_another(first, tmp_path):
    """With a learning rate of 0 it also ends with them."""
    train_in(tmp_path / "run", *SHORT, f"init={first}", "optimizer.lr=0.0")
    raw = weights(tmp_path / "run", "current_model_state")
    assert all(torch.equal(w, raw[name]) for name, w in weights(first).items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["parameterization=v"], "the network's output would mean something else"),
        (["network.width=16"], "does not fit this network: size mismatch"),
        (["init=nowhere"], "no checkpoint at nowhere"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(options, message, first, tmp_path):
    with pytest.raises(UserError, match=message):
        train_in(tmp_path / "run", *SHORT, f"init={first}", *options)


def test_options_that_no_shape_shows_are_named(first, tmp_path, caplog):
    train_in(
        tmp_path / "run", *SHORT, f"init={first}", "network.norm_eps=1e-6", "network.downsample_padding=0"
    )
    assert "as before with network.norm_eps=1e-05 network.downsample_padding=1" in caplog.text
