"""A model as safetensors: what comes back is what was written, and a damaged file is refused."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import diffusion_lightning as dl
from diffusion_lightning.checkpoints.reader import denoiser_weights, find_checkpoint, read_checkpoint
from diffusion_lightning.checkpoints.safetensors_file import MODEL, public_config, read_model, write_model
from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import tensors_sha256
from tests.support.command import ROOT

RUN = ROOT / "tests" / "made_at_e9b7708" / "cosine"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / MODEL
    write_model(read_checkpoint(RUN), file)
    return file


def metadata_of(file):
    with safe_open(file, "pt") as opened:
        return opened.metadata()


def rewritten(written, file, **metadata):
    save_file(load_file(written), file, {**metadata_of(written), **metadata})
    return file


def test_the_averaged_weights_and_the_config_come_back(written):
    before, after = read_checkpoint(RUN), read_checkpoint(written)
    weights = denoiser_weights(after)
    expected = denoiser_weights(before, "ema")
    assert weights.keys() == expected.keys() and all(weights[name].equal(w) for name, w in expected.items())
    assert not all(w.equal(expected[name]) for name, w in denoiser_weights(before, "raw").items())
    for name in "network", "schedule", "parameterization", "guidance", "dataset", "extractor", "objective":
        assert after["hyper_parameters"][name] == before["hyper_parameters"][name]
    assert after["global_step"] == before["global_step"]


def test_a_written_file_is_written_again_the_same(written, tmp_path):
    sha256 = write_model(read_checkpoint(written), tmp_path / "again.safetensors")
    assert sha256 == metadata_of(written)["sha256"] == tensors_sha256(sorted(load_file(written).items()))
    assert metadata_of(tmp_path / "again.safetensors") == metadata_of(written)


def test_raw_weights_that_were_left_out_are_refused(written):
    with pytest.raises(UserError, match="holds the averaged weights alone"):
        dl.load(written, weights="raw", device="cpu")
    checkpoint = read_checkpoint(RUN)
    del checkpoint["current_model_state"]  # a run without averaging has one set of weights
    write_model(checkpoint, written.with_name("one.safetensors"))
    dl.load(written.with_name("one.safetensors"), weights="raw", device="cpu")


def test_half_is_float16_in_the_file_and_float32_in_the_model(tmp_path):
    checkpoint = read_checkpoint(RUN)
    write_model(checkpoint, tmp_path / "half.safetensors", torch.float16)
    assert {w.dtype for w in load_file(tmp_path / "half.safetensors").values()} == {torch.float16}
    for name, weight in denoiser_weights(read_checkpoint(tmp_path / "half.safetensors")).items():
        assert weight.equal(denoiser_weights(checkpoint)[name].half().float())
    name = next(iter(checkpoint["state_dict"]))
    checkpoint["state_dict"][name] = torch.full_like(checkpoint["state_dict"][name], 1e6)
    with pytest.raises(UserError, match="beyond the range of torch"):
        write_model(checkpoint, tmp_path / "big.safetensors", torch.float16)
    assert not (tmp_path / "big.safetensors").exists()


def test_a_folder_of_the_file_means_the_file(written):
    assert find_checkpoint(written.parent) == written


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_a_truncated_file_is_one_line(written, tmp_path, size):
    file = tmp_path / "x.safetensors"
    file.write_bytes(written.read_bytes()[:size])
    with pytest.raises(UserError, match=r"x.safetensors is truncated or damaged") as error:
        read_model(file)
    assert "\n" not in str(error.value)


def test_a_file_with_other_weights_is_refused(written, tmp_path):
    content = bytearray(written.read_bytes())
    content[-1] ^= 1
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="its weights are not those that were written"):
        dl.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"config": "{"}, "truncated or damaged"),
        ({"config": "null"}, "it has no config"),
        ({"config": "[1]"}, "it has no config"),
        ({"config": '{"network": {}}'}, "no .* in it"),
        ({"diffusion_lightning": '{"format": 99, "version": "9.0"}'}, "pip install --upgrade"),
    ],
)
def test_metadata_of_others_are_one_line(written, tmp_path, changed, said):
    with pytest.raises(UserError, match=said) as error:
        read_checkpoint(rewritten(written, tmp_path / "x.safetensors", **changed))
    assert "\n" not in str(error.value)


def test_a_file_of_another_project_is_one_line(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "x.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="is not a checkpoint of this project: it has no config"):
        read_checkpoint(tmp_path / "x.safetensors")


def test_a_config_builds_nothing_foreign(written, tmp_path):
    config = json.loads(metadata_of(written)["config"])
    config["network"] = config["network"] | {"_target_": "os.system"}
    file = rewritten(written, tmp_path / "x.safetensors", config=json.dumps(config))
    with pytest.raises(UserError, match="not part of diffusion_lightning"):
        dl.load(file)


def test_the_config_that_is_handed_on_names_no_folder_of_the_machine():
    config = read_checkpoint(RUN)["hyper_parameters"] | {"mine": "secret", "paths": {"run_dir": "/home/me"}}
    config["dataset"] = config["dataset"] | {
        "data_dir": "/home/me/faces",
        "splits": ["C:\\me\\a", "~/b", "../me/e", "..\\me\\f", "c/d"],
    }
    public = public_config(config)
    assert public["dataset"]["data_dir"] == "faces"
    assert public["dataset"]["splits"] == ["a", "b", "e", "f", "c/d"]
    assert not {"mine", "paths", "logger", "trainer"} & public.keys()
    assert public["callbacks"]["ema"]["decay"] == 0.995 and public["optimizer"]["lr"] == 0.002
