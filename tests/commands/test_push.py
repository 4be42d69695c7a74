"""`push`: what lies on the hub afterwards, and what a refusal leaves behind."""

import json
import os
import re

import pytest
import torch
import yaml

import diffusion_lightning as dl
from diffusion_lightning.checkpoints.reader import read_checkpoint
from diffusion_lightning.checkpoints.safetensors_file import MODEL, write_model
from diffusion_lightning.hashing import file_sha256
from tests.support.command import ROOT
from tests.support.hub import local_hub
from tests.support.in_process import run_here, succeed_here
from tests.support.networks import perturb

RUN = ROOT / "tests" / "made_at_e9b7708" / "linear"
NAME = "some-one/digits"
QUICK = ["sampler.steps=2", "num_images=4", "device=cpu", "speed=plain"]


@pytest.fixture
def hub(tmp_path):
    with local_hub(tmp_path / "cache") as hub:
        yield hub


def push(tmp_path, *options, checkpoint=RUN, run=succeed_here):
    given = [f"checkpoint={checkpoint}", f"repo={NAME}", *QUICK, *options]
    return run("diffusion_lightning/push.py", *given, cwd=tmp_path)


def refused(tmp_path, *options, **changes):
    done = push(tmp_path, *options, run=run_here, **changes)
    assert done.returncode and "Traceback" not in done.stderr, done.stderr
    line = done.stderr.splitlines()[-1]  # after the library's bars
    assert line.startswith("error: ") and done.stderr.count("error: ") == 1
    return line


def an_evaluation(folder, checkpoint=RUN / "checkpoints" / "last.ckpt", **asked):
    asked = {"checkpoint_sha256": file_sha256(checkpoint), "weights": "ema"} | asked
    asked |= {"sampler": {"_target_": "diffusion_lightning.Heun"}, "files_sha256": {"/home/me/x.npz": "1"}}
    figures = {"samples": {"fid": 3.25, "kid": None}, "floor": {"fid": 0.5}, "floor_same_n": {"fid": 1.5}}
    record = {"asked": asked, "num_images": 5000, "nfe": 39, **figures}
    folder.mkdir(exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(record))
    return folder


def front_matter(card):
    _, front, text = card.decode().split("---\n", 2)
    return yaml.safe_load(front), text


def test_a_pushed_model_is_loaded_by_its_name(hub, tmp_path):
    evaluation = an_evaluation(tmp_path / "evaluated")
    done = push(tmp_path, f"evaluation={evaluation}", "license=mit", "out=sent")
    files = hub.files(NAME)
    assert set(files) == {".gitattributes", "README.md", MODEL, "evaluation.json", "samples.png"}
    assert hub.private[NAME] and len([r for r in hub.requests if "/commit/" in r[1]]) == 1
    assert f"checkpoint=hf:{NAME}@{hub.repositories[NAME]['main']}" in done.stdout
    options = {"num_images": 3, "sampler": dl.DDIM(3), "progress": False}
    drawn = dl.load(f"hf:{NAME}", device="cpu").sample(**options)
    assert drawn.equal(dl.load(RUN, device="cpu").sample(**options))
    assert drawn.equal(dl.load(tmp_path / "sent", device="cpu").sample(**options))

    front, text = front_matter(files["README.md"])
    assert front["license"] == "mit" and front["library_name"] == "diffusion-lightning"
    (result,) = front["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "fid", "name": "FID", "value": 3.25}]
    assert re.search(r"\| FID \| 3.25 \| 1.5 \| 0.5 \|", text) and "Heun in 39 evaluations" in text
    assert "samples.png" in text and f"hf:{NAME}" in text and "lr: 0.002" in text and "decay: 0.995" in text
    # Neither the machine's folders nor the account's token
    everything = b"".join(files.values()) + done.stdout.encode()
    assert not re.search(rb"/tmp/|/home/|run_dir", everything)
    assert (
        hub.tokens == {"", os.environ["HF_TOKEN"]} and b"hf_secret" not in everything
    )  # none to the storage


def test_a_second_push_leaves_nothing_of_the_first_model_and_all_that_is_others(hub, tmp_path):
    push(tmp_path, f"evaluation={an_evaluation(tmp_path / 'evaluated')}", "out=one")
    hub.add(NAME, hub.files(NAME) | {"notes.md": b"mine"})
    push(tmp_path, "half=true", "num_images=0", "private=false", "out=two")
    assert set(hub.files(NAME)) == {".gitattributes", "README.md", "notes.md", MODEL}
    assert hub.private[NAME], "a repository that is there stays as it is"
    assert "model-index" not in front_matter(hub.files(NAME)["README.md"])[0]
    weights = read_checkpoint(f"hf:{NAME}")["state_dict"]
    for name, weight in read_checkpoint(RUN)["state_dict"].items():
        assert weights[name].equal(weight.half().float()) if name.startswith("denoiser.") else True


def test_a_dry_run_sends_nothing(hub, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    done = push(tmp_path, "dry_run=true", "out=dry")
    assert not hub.requests and "what dry_run=false would send" in done.stdout
    assert {path.name for path in (tmp_path / "dry").iterdir()} == {"README.md", MODEL, "samples.png"}
    assert "no login to the hub" in refused(tmp_path, "out=none") and not (tmp_path / "none").exists()


def test_a_model_that_diffusers_can_express_is_a_folder_of_diffusers_too(tmp_path):
    from diffusers import DDIMPipeline

    checkpoint = read_checkpoint(RUN)
    config = checkpoint["hyper_parameters"]
    config["network"] |= {"norm_groups": 2, "width": 8, "num_classes": 0}
    config["dataset"] |= {"num_classes": 0, "class_names": None}
    config["guidance"] |= {"p_uncond": 1.0, "scale": 0.0}
    torch.manual_seed(0)
    options = {name: value for name, value in config["network"].items() if name != "_target_"}
    denoiser = dl.Denoiser(perturb(dl.UNet(**options)), dl.Linear(), dl.Eps())
    state = {f"denoiser.{name}": weight for name, weight in denoiser.state_dict().items()}
    write_model({"hyper_parameters": config, "state_dict": state}, tmp_path / "x.safetensors")
    push(tmp_path, "dry_run=true", "out=dry", checkpoint=tmp_path / "x.safetensors")
    files = {path.relative_to(tmp_path / "dry").as_posix() for path in (tmp_path / "dry").rglob("*.*")}
    assert {"model_index.json", "unet/diffusion_pytorch_model.safetensors", MODEL} <= files
    assert front_matter((tmp_path / "dry" / "README.md").read_bytes())[0]["library_name"] == "diffusers"
    pipeline = DDIMPipeline.from_pretrained(tmp_path / "dry")
    x, time = torch.randn(2, 1, 8, 8), torch.tensor([500, 500])
    ours = denoiser.eval().network(x, time.float(), torch.zeros(2, dtype=torch.long))
    theirs = pipeline.unet(x, time - 1).sample  # its timesteps begin at 0
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert not [file for path in (tmp_path / "dry").rglob("*.*") if b"/tmp/" in (file := path).read_bytes()]


def test_a_guided_model_is_pushed_without_the_code_of_its_pipeline(tmp_path):
    checkpoint = read_checkpoint(RUN)
    config = checkpoint["hyper_parameters"]
    config["network"] |= {"norm_groups": 2, "width": 8}
    options = {name: value for name, value in config["network"].items() if name != "_target_"}
    denoiser = dl.Denoiser(dl.UNet(**options), dl.Linear(), dl.Eps())
    state = {f"denoiser.{name}": weight for name, weight in denoiser.state_dict().items()}
    write_model({"hyper_parameters": config, "state_dict": state}, tmp_path / "x.safetensors")
    push(tmp_path, "dry_run=true", "out=dry", checkpoint=tmp_path / "x.safetensors")
    names = {path.name for path in (tmp_path / "dry").rglob("*.*")}
    assert "model_index.json" in names and "pipeline.py" not in names
    card = (tmp_path / "dry" / "README.md").read_bytes()
    assert front_matter(card)[0]["library_name"] == "diffusion-lightning" and b"from diffusers" not in card


def test_a_refused_push_is_one_line_and_leaves_nothing(hub, tmp_path):
    other = an_evaluation(tmp_path / "other", checkpoint_sha256="0" * 64)
    assert "is of another checkpoint" in refused(tmp_path, f"evaluation={other}", "out=no")
    raw = an_evaluation(tmp_path / "raw", weights="raw")
    assert "is of weights=raw" in refused(tmp_path, f"evaluation={raw}", "out=no")
    assert "has no evaluation.json" in refused(tmp_path, f"evaluation={tmp_path}", "out=no")
    assert not hub.requests
    hub.refuses = "POST", "/api/repos/create"
    assert "the hub refuses it (403)" in refused(tmp_path, "out=no") and not hub.repositories
    hub.refuses = "POST", "/commit/"
    assert "the hub refuses it (403)" in refused(tmp_path, "out=no")
    assert set(hub.files(NAME)) == {".gitattributes"}
    hub.refuses = None
    hub.add(NAME, {"train.py": b"print()"})
    assert "holds train.py, which may be code" in refused(tmp_path, "out=no")
    assert set(hub.files(NAME)) == {"train.py"}
    hub.down = True
    assert "the hub answers with an error (503)" in refused(tmp_path, "out=no")
    assert not (tmp_path / "no").exists()
