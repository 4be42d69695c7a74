"""`export` and `import_weights` as a person runs them: folders, checkpoints, and what takes these."""

import json

import numpy as np
import pytest
import torch
from diffusers import DDIMPipeline, DiffusionPipeline, UNet2DModel

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.base import Exported
from tests.support.in_process import run_here, succeed_here

EXPORT, IMPORT = "diffusion_lightning/export.py", "diffusion_lightning/import_weights.py"

SMALL = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1"]


@pytest.fixture(scope="module")
def here(tmp_path_factory, trained_digits):
    folder = tmp_path_factory.mktemp("exchange")
    succeed_here(EXPORT, f"checkpoint={trained_digits}", "out=all", cwd=folder)
    succeed_here(EXPORT, f"checkpoint={trained_digits}", "labels=3", "out=three", cwd=folder)
    return folder


def refused(*arguments, cwd):
    done = run_here(*arguments, cwd=cwd)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def first_noise(model, n):
    return model.noise(0, range(n))()


def test_a_class_alone_draws_what_sample_draws(here, trained_digits, monkeypatch):
    model = dl.load(trained_digits, device="cpu")
    with model.denoiser.in_float32():
        ours = model.sample([3], 6, guidance=1.0, sampler=dl.DDIM(20), progress=False)
    noise = first_noise(model, 6)
    pipe = DDIMPipeline.from_pretrained(here / "three")
    monkeypatch.setattr("diffusers.pipelines.ddim.pipeline_ddim.randn_tensor", lambda *_, **__: noise)
    options = {"num_inference_steps": 20, "use_clipped_model_output": True, "output_type": "pt"}
    theirs = pipe(6, **options).images
    assert (dl.to_uint8(ours).int() - dl.to_uint8(2 * theirs - 1).int()).abs().max() <= 1


def test_all_classes_draw_what_sample_draws(here, trained_digits):
    model = dl.load(trained_digits, device="cpu")
    with model.denoiser.in_float32():
        ours = model.sample([1, 8], 4, sampler=dl.DDIM(20), progress=False)
    options = {"custom_pipeline": "pipeline", "trust_remote_code": True}
    pipe = DiffusionPipeline.from_pretrained(here / "all", **options)
    call = type(pipe).__call__.__wrapped__
    call.__globals__["randn_tensor"] = lambda *_, **__: first_noise(model, 4)
    theirs = pipe([1, 8, 1, 8], num_inference_steps=20, output_type="pt").images
    assert (dl.to_uint8(ours).int() - dl.to_uint8(2 * theirs - 1).int()).abs().max() <= 1
    assert UNet2DModel.from_pretrained(here / "all", subfolder="unet").config.num_class_embeds == 11


def test_the_record_says_what_was_exported(here, trained_digits):
    record = json.loads((here / "all" / "export.json").read_text())
    assert record["checkpoint"].endswith("last.ckpt") and record["guidance"]["scale"] == 2.0
    assert "pipeline.py" in record["files"] and "unet/config.json" in record["files"]
    assert not (here / "three" / "pipeline.py").exists()


def test_nothing_is_overwritten_unasked(here, trained_digits):
    arguments = EXPORT, f"checkpoint={trained_digits}", "out=again"
    succeed_here(*arguments, cwd=here)
    (here / "again" / "mine.txt").write_text("mine")
    assert "already holds files: add overwrite=true" in refused(*arguments, "labels=3", cwd=here)
    assert (here / "again" / "pipeline.py").exists()
    record = json.loads((here / "again" / "export.json").read_text())
    for name in "gone/deep/1.txt", "mine/1.txt":  # of an export in another format
        (here / "again" / name).parent.mkdir(parents=True)
        (here / "again" / name).write_text("earlier")
        record["files"].append(name)
    (here / "again" / "mine" / "2.txt").write_text("mine")
    (here / "again" / "export.json").write_text(json.dumps(record))
    succeed_here(*arguments, "labels=3", "overwrite=true", cwd=here)
    left = {path.relative_to(here / "again").as_posix() for path in (here / "again").rglob("*")}
    assert {"mine.txt", "mine/2.txt", "unet"} <= left
    assert not left & {"pipeline.py", "gone", "mine/1.txt"}


def test_an_import_is_a_checkpoint_for_everything(here, trained_digits):
    done = succeed_here(IMPORT, "source=all", "out=back/all.ckpt", cwd=here)
    assert "it was exported from here" in done.stdout
    before, after = dl.load(trained_digits, device="cpu"), dl.load(here / "back" / "all.ckpt", device="cpu")
    weights = before.denoiser.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in after.denoiser.state_dict().items())
    assert after.class_names == before.class_names and after.guidance == before.guidance
    assert "exists: add overwrite=true" in refused(IMPORT, "source=all", "out=back/all.ckpt", cwd=here)
    drawing = "checkpoint=back/all.ckpt", "sampler.steps=3", "device=cpu"
    succeed_here("sample.py", *drawing, "num_images=4", "out=drawn", cwd=here)
    ours = after.sample(num_images=4, sampler=dl.DDIM(3), progress=False)
    drawn = np.load(here / "drawn" / "samples.npz")["arr_0"]
    assert np.array_equal(drawn, dl.to_uint8(ours).permute(0, 2, 3, 1).numpy())
    inversion = "task=invert", "task.images=[0,1]", "data_dir=data", "out=inverted"
    succeed_here("sample.py", *drawing, *inversion, cwd=here)
    succeed_here(
        "evaluate.py", *drawing, "num_images=20", "metrics=[fid]", "data_dir=data", "out=fid", cwd=here
    )
    training = "experiment=digits_cfg", "network.width=16", *SMALL, "callbacks.sample_grid=null"
    succeed_here("train.py", *training, "init=back/all.ckpt", "hydra.run.dir=on", cwd=here)
    trained = dl.load(here / "on", device="cpu", weights="raw").denoiser.state_dict()
    moved = max((trained[name] - tensor).abs().max() for name, tensor in weights.items())
    assert 0 < moved < 0.1


@pytest.mark.slow
def test_a_folder_of_diffusers_trains_on(here):
    unet = UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        norm_eps=1e-6,
        downsample_padding=0,
    )
    unet.save_pretrained(here / "theirs")
    scheduler = {"_class_name": "DDPMScheduler", "variance_type": "fixed_large"}
    (here / "theirs" / "scheduler_config.json").write_text(json.dumps(scheduler))
    done = succeed_here(IMPORT, "source=theirs", "dataset=digits", "out=theirs.ckpt", cwd=here)
    assert "its own walk is sampler=ddpm sampler.variance=beta" in done.stdout
    network = dl.load(here / "theirs.ckpt", device="cpu").config["network"]
    options = [f"network.{name}={value}" for name, value in network.items() if name not in ("_target_",)]
    training = "dataset=digits", *options, *SMALL, "callbacks.sample_grid=null"
    succeed_here("train.py", *training, "init=theirs.ckpt", "hydra.run.dir=on2", cwd=here)
    evaluation = "checkpoint=theirs.ckpt", "sampler.steps=2", "num_images=20", "metrics=[fid]", "device=cpu"
    succeed_here("evaluate.py", *evaluation, "out=fid2", cwd=here)
    # Imported for no data set it has no classes, and every class starts from that
    succeed_here(IMPORT, "source=theirs", "out=no_classes.ckpt", cwd=here)
    rest = "init=no_classes.ckpt", "hydra.run.dir=on3", "optimizer.lr=1e-9", "guidance=cfg"
    succeed_here("train.py", *training, *rest, cwd=here)
    before, after = (
        dl.load(here / name, device="cpu").denoiser.network for name in ("no_classes.ckpt", "on3")
    )
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([1.0, 500.0])
    with torch.no_grad():
        a, b = before(x, t, torch.tensor([0, 0])), after(x, t, torch.tensor([3, 10]))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_a_model_of_points_is_refused():
    exported = Exported(None, None, None, None, {"hyper_parameters": {"dataset": {"dim": 2}}})
    with pytest.raises(UserError, match="this model draws points"):
        _ = exported.shape
