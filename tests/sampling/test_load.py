"""`dl.load`: the model of a checkpoint, as `sample.py` has it, and nothing of Hydra or Lightning."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from tests.support.command import ROOT
from tests.support.evil import Evil
from tests.support.in_process import succeed_here

FRAMEWORKS = {
    *("hydra", "omegaconf", "lightning", "pytorch_lightning", "lightning_fabric", "lightning_utilities"),
    *("torchvision", "torchmetrics", "matplotlib", "sklearn", "pandas", "wandb", "tensorboard"),
}


def drawn_by_sample_py(run, folder, *options):
    """uint8 images (N, C, H, W) and labels (N,)."""
    succeed_here("sample.py", f"checkpoint='{run}'", "out=drawn", "overwrite=true", *options, cwd=folder)
    with np.load(folder / "drawn" / "samples.npz") as arrays:
        images = torch.from_numpy(arrays["arr_0"]).permute(0, 3, 1, 2)
        return images, arrays["arr_1"].tolist() if "arr_1" in arrays else None


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ([], {}),
        (
            ["num_images=12", "batch_size=5", "sampler.steps=9"],
            {"num_images": 12, "batch_size": 5, "sampler": dl.DDIM(9)},
        ),
        (["labels=[3,1,4]", "guidance.scale=3"], {"labels": [3, 1, 4], "guidance": 3.0}),
        (["labels=7", "num_images=4", "seed=9"], {"labels": 7, "num_images": 4, "seed": 9}),
        (["guidance.scale=0", "num_images=6"], {"guidance": 0, "num_images": 6}),
        (["sampler=ddpm", "sampler.steps=8", "clamp=none"], {"sampler": dl.DDPM(8), "clamp": dl.NoClamp()}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_samples_are_those_of_sample_py_to_the_bit(options, arguments, trained_digits, tmp_path):
    images, labels = drawn_by_sample_py(trained_digits, tmp_path, *options)
    model = dl.load(trained_digits)
    assert dl.to_uint8(model.sample(progress=False, **arguments)).equal(images)
    unconditional = arguments.get("guidance") == 0
    cycle = [arguments["labels"]] if isinstance(arguments.get("labels"), int) else arguments.get("labels")
    cycle = [10] if unconditional else cycle or range(10)
    assert labels == [cycle[k % len(cycle)] for k in range(len(images))]
    record = json.loads((tmp_path / "drawn" / "sampling.json").read_text())
    assert record["nfe"] == max(walk.nfe for walk in model.walks)
    assert f"torch.{record['dtype']}" == str(model.dtype)


def test_strips_are_those_of_the_task_to_the_bit(trained_digits, tmp_path):
    options = ["task=interpolate", "task.pairs=2", "task.points=3", "sampler.steps=6"]
    images, _ = drawn_by_sample_py(trained_digits, tmp_path, *options)
    strips = dl.load(trained_digits).interpolate(pairs=2, points=3, sampler=dl.DDIM(6), progress=False)
    assert dl.to_uint8(strips).flatten(0, 1).equal(images)


def test_inverted_images_are_those_of_the_task_to_the_bit(trained_digits, tmp_path):
    options = ["task=invert", "task.images=[0,3]", "sampler.steps=6", "speed.precision=bf16-mixed"]
    rows, _ = drawn_by_sample_py(trained_digits, tmp_path, *options)
    test_images = dl.Digits("", 1, 1, 8, 10).load(train=False)
    pixels, labels = test_images[torch.tensor([0, 3])]
    model = dl.load(trained_digits, speed=dl.Speed("bf16-mixed"))
    options = {"sampler": dl.DDIM(6), "progress": False}
    latents = model.invert(pixels, labels, **options)
    back = model.sample(labels, latents=latents, **options)
    shown = torch.stack([dl.from_uint8(pixels), latents / 3, back], dim=1)
    assert dl.to_uint8(shown).flatten(0, 1).equal(rows)


def test_either_weights_of_a_file_or_a_folder_are_loaded(trained_digits):
    file = trained_digits / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(file, weights_only=True)
    key = "denoiser.network.head.bias"
    for path in trained_digits, str(trained_digits), file, str(file):
        for weights, where in {"ema": "state_dict", "raw": "current_model_state"}.items():
            model = dl.load(path, weights=weights, device="cpu")
            assert model.denoiser.network.head.bias.equal(checkpoint[where][key])
    assert model.shape == (1, 8, 8) and model.num_classes == 10 and model.guidance.p_uncond == 0.1
    assert model.class_names == tuple("0123456789") and model.config["schedule"]["T"] == 1000
    assert not model.denoiser.training


PYTHON = """
import sys
import diffusion_lightning as dl
assert "torch" not in sys.modules
model = dl.load(sys.argv[1], device="cpu")
options = {"sampler": dl.DDIM(steps=3), "progress": False}
images = model.sample(labels=range(10), guidance=3.0, seed=0, **options)
latent = model.invert(images, labels=range(10), **options)
strips = model.interpolate(pairs=1, points=3, **options)
flow = dl.FlowLikelihood(1)
bits = model.likelihood(dl.to_uint8(images), range(10), steps=3, flow=flow, progress=False)
dl.save_grid(images, sys.argv[2])
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_no_framework_is_imported(tmp_path):
    checkpoint, grid = ROOT / "tests" / "made_at_e9b7708" / "linear", tmp_path / "new" / "grid.png"
    done = subprocess.run(
        [sys.executable, "-c", PYTHON, checkpoint, grid], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert {"torch", "diffusion_lightning"} <= imported and not imported & FRAMEWORKS
    assert grid.exists()


def test_what_is_no_checkpoint_is_refused_in_words_of_python(trained_digits, tmp_path):
    good = torch.load(trained_digits / "checkpoints" / "last.ckpt", weights_only=True)
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    torch.save({"x": Evil()}, tmp_path / "evil.ckpt")
    config = good["hyper_parameters"] | {"network": {"_target_": "os.system", "command": "touch executed"}}
    torch.save(good | {"hyper_parameters": config}, tmp_path / "os.ckpt")
    messages = {
        "x": "no checkpoint at x; give a .ckpt file or a run's folder",
        tmp_path: f"no checkpoint at {tmp_path}/checkpoints/last.ckpt; give a .ckpt file or a run's folder",
        tmp_path / "foreign.ckpt": "not a checkpoint of this project: it has no config",
        tmp_path / "evil.ckpt": "it holds pickled code",
        tmp_path / "os.ckpt": r"'os.system', which is not part of .* add trust=\[\"os\"\]",
    }
    for path, message in messages.items():
        with pytest.raises(UserError, match=message):
            dl.load(path)
    assert not (ROOT / "executed").exists()
    for options, message in (
        ({"device": "abacus"}, "device=abacus is not"),
        ({"weights": "best"}, "ema or raw"),
    ):
        with pytest.raises(UserError, match=message):
            dl.load(trained_digits, **options)
