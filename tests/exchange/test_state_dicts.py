"""State dicts of other codes become models that compute the same."""

import pickle

import pytest
import torch

from diffusion_lightning.checkpoints.reader import load_denoiser
from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.checkpoint import checkpoint_of
from diffusion_lightning.exchange.origin import Asked
from diffusion_lightning.exchange.state_dicts import read_state_dict
from tests.exchange.peers import Weights, improved_diffusion, pytorch_ddpm
from tests.support.evil import Evil

LINEAR = {"_target_": "diffusion_lightning.Linear", "T": 1000}
ASKED = Asked(image_size=8, num_heads=4, schedule=LINEAR)

PEERS = {
    "pytorch-ddpm": (pytorch_ddpm, {}),
    "pytorch-ddpm, deeper": (pytorch_ddpm, {"mults": (1, 2, 2), "attn": (0, 2), "blocks": 2}),
    "improved-diffusion": (improved_diffusion, {}),
    "improved-diffusion, deeper": (improved_diffusion, {"mults": (1, 2, 2), "attn": (0, 2), "blocks": 1}),
    "improved-diffusion, its variance": (improved_diffusion, {"sigma": True}),
    "improved-diffusion, classes": (improved_diffusion, {"y": torch.tensor([0, 4])}),
}


def weights(peer, options):
    torch.manual_seed(0)
    w = Weights()
    peer(w, torch.randn(2, 3, 8, 8), torch.tensor([0, 1]), **options)
    return w


def imported(state, file, asked=ASKED):
    torch.save(state, file)
    return load_denoiser(checkpoint_of(read_state_dict(file, asked), None, None))


@pytest.mark.parametrize("name", PEERS)
def test_it_predicts_equally(name, tmp_path):
    peer, options = PEERS[name]
    w = weights(peer, options)
    ours = imported(dict(w), tmp_path / "model.pt").network
    x, k = torch.randn(2, 3, 8, 8), torch.tensor([0, 700])
    y = options.get("y", torch.zeros(2, dtype=torch.long))
    with torch.no_grad():
        theirs, own = peer(w, x, k, **options)[:, :3], ours(x, (k + 1).float(), y)
    assert (theirs - own).norm() / theirs.norm() < 1e-5


def test_the_averaged_weights_of_a_whole_file_are_taken(tmp_path):
    w = weights(pytorch_ddpm, {})
    raw = {name: tensor + 1 for name, tensor in w.items()}
    whole = {"net_model": raw, "ema_model": dict(w), "step": 3, "optim": {"state": {}}}
    ours = imported(whole, tmp_path / "ckpt.pt").network
    assert torch.equal(ours.stem.weight, w["head.weight"])


def changed(w, name, tensor):
    return {**w, name: tensor}


REFUSED = {
    "FiLM": (
        improved_diffusion,
        lambda w: changed(w, "input_blocks.1.0.emb_layers.1.weight", torch.zeros(64, 128)),
        ASKED,
        "use_scale_shift_norm",
    ),
    "no heads": (improved_diffusion, dict, Asked(image_size=8, schedule=LINEAR), "add num_heads=4"),
    "no size": (pytorch_ddpm, dict, Asked(schedule=LINEAR), "add image_size=32"),
    "a part too many": (
        pytorch_ddpm,
        lambda w: changed(w, "extra.weight", torch.zeros(1)),
        ASKED,
        "hold extra",
    ),
    "a part too few": (
        pytorch_ddpm,
        lambda w: {name: t for name, t in w.items() if name != "tail.2.bias"},
        ASKED,
        "lack tail.2.bias",
    ),
    "other names": (pytorch_ddpm, lambda w: {"a.b": torch.zeros(1)}, ASKED, "no code that is known here"),
    "no tensors": (pytorch_ddpm, lambda w: {"a": 3}, ASKED, "holds no state dict"),
    "a list": (pytorch_ddpm, lambda w: [3], ASKED, "holds no state dict"),
    "NaN": (
        pytorch_ddpm,
        lambda w: changed(w, "tail.2.bias", torch.full((3,), torch.nan)),
        ASKED,
        "not all finite",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_ours_cannot_express_is_refused(why, tmp_path):
    peer, change, asked, message = REFUSED[why]
    with pytest.raises(UserError, match=message):
        imported(change(weights(peer, {})), tmp_path / "model.pt", asked)


@pytest.mark.parametrize("name", ["edm.pkl", "model.pt"])
def test_pickled_code_is_never_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match="pickled code, which is never run; load it where you trust it"):
        read_state_dict(tmp_path / name, ASKED)
    assert not (tmp_path / "executed").exists()


def test_a_truncated_file_is_said_to_be(tmp_path):
    torch.save(dict(weights(pytorch_ddpm, {})), tmp_path / "whole.pt")
    (tmp_path / "half.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:5000])
    with pytest.raises(UserError, match="truncated or damaged"):
        read_state_dict(tmp_path / "half.pt", ASKED)
