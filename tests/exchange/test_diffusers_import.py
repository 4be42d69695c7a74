"""Folders of diffusers' become models that compute the same, and go back as they came."""

import json

import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors.torch import load_file

import diffusion_lightning as dl
from diffusion_lightning.checkpoints.reader import load_denoiser, read_checkpoint
from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange import returned
from diffusion_lightning.exchange.base import Exported
from diffusion_lightning.exchange.checkpoint import checkpoint_of, write
from diffusion_lightning.exchange.diffusers_import import read_folder
from diffusion_lightning.exchange.origin import Asked
from tests.exchange.models import NETWORKS, exported, network

GOOGLE = {
    "act_fn": "silu",
    "attention_head_dim": None,
    "block_out_channels": [128, 256, 256, 256],
    "center_input_sample": False,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "in_channels": 3,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-06,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 32,
    "time_embedding_type": "positional",
    "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
}
"""The configuration of google/ddpm-cifar10-32, in which `dropout` and other later options are absent."""

SMALL = {**GOOGLE, "block_out_channels": [8, 16, 16, 16], "norm_num_groups": 4, "sample_size": 16}

UNETS = {
    "google's": SMALL,
    "diffusers' own defaults": {
        "sample_size": 8,
        "in_channels": 1,
        "out_channels": 1,
        "block_out_channels": [8, 16],
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
        "norm_num_groups": 4,
    },
    "classes": {**SMALL, "num_class_embeds": 4},
    "celebahq's": {
        **SMALL,
        "block_out_channels": [8, 8, 16, 16],
        "down_block_types": ["DownBlock2D"] * 2 + ["AttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "AttnUpBlock2D"] + ["UpBlock2D"] * 2,
    },
}

SCHEDULER = {
    "_class_name": "DDPMScheduler",
    "_diffusers_version": "0.1.1",
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "clip_sample": True,
    "num_train_timesteps": 1000,
    "trained_betas": None,
    "variance_type": "fixed_large",
}


def random_unet(config):
    torch.manual_seed(3)
    unet = UNet2DModel(**config).eval()
    for parameter in unet.parameters():
        torch.nn.init.normal_(parameter, std=0.3 if parameter.ndim < 2 else parameter[0].numel() ** -0.5)
    return unet


def old(name):
    """A name as files of before diffusers 0.12 have it."""
    for today, before in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        name = name.replace(f".{today}.", f".{before}.") if "attentions" in name else name
    return name


def google_layout(folder, config, scheduler=SCHEDULER):
    """All at the root, a `.bin`, the names of before: as google/ddpm-cifar10-32 is."""
    folder.mkdir()
    unet = random_unet(config)
    index = {"_class_name": "DDPMPipeline", "_diffusers_version": "0.1.1"}
    index |= {"scheduler": ["diffusers", "DDPMScheduler"], "unet": ["diffusers", "UNet2DModel"]}
    written = {"_class_name": "UNet2DModel", "_diffusers_version": "0.0.4", **config}
    for name, value in (("model_index", index), ("config", written), ("scheduler_config", scheduler)):
        (folder / f"{name}.json").write_text(json.dumps(value))
    state = {old(name): tensor for name, tensor in unet.state_dict().items()}
    torch.save(state, folder / "diffusion_pytorch_model.bin")
    return unet


def imported(folder, dataset=None, asked=None):
    return checkpoint_of(read_folder(folder, asked or Asked()), dataset, None)


def predicts_equally(unet, checkpoint):
    network = load_denoiser(checkpoint).network
    config = unet.config
    x = torch.randn(3, config.in_channels, config.sample_size, config.sample_size)
    k, y = torch.tensor([0, 420, 999]), torch.tensor([0, 1, 2])
    labels = () if config.num_class_embeds is None else (y,)
    with torch.no_grad():
        theirs, ours = unet(x, k, *labels).sample, network(x, (k + 1).float(), y if labels else 0 * y)
    assert (theirs - ours).norm() / theirs.norm() < 1e-5
    return network


@pytest.mark.parametrize("name", UNETS)
def test_an_old_folder_predicts_equally(name, tmp_path):
    unet = google_layout(tmp_path / "google", UNETS[name])
    predicts_equally(unet, imported(tmp_path / "google"))


def test_half_precision_is_read_and_goes_out_again(tmp_path):
    unet = google_layout(tmp_path / "google", SMALL).half()
    state = {old(name): tensor for name, tensor in unet.state_dict().items()}
    torch.save(state, tmp_path / "google" / "diffusion_pytorch_model.bin")
    checkpoint = imported(tmp_path / "google")
    predicts_equally(unet.float(), checkpoint)
    sampling = dl.Sampling(dl.DDIM(), dl.Guidance(1, 0), dl.Static())
    (tmp_path / "again").mkdir()
    dl.DiffusersFormat()(
        Exported(load_denoiser(checkpoint), sampling, 0, None, checkpoint), tmp_path / "again"
    )
    predicts_equally(UNet2DModel.from_pretrained(tmp_path / "again", subfolder="unet").eval(), checkpoint)


@pytest.mark.slow
def test_googles_own_network_predicts_equally(tmp_path):
    unet = google_layout(tmp_path / "google", GOOGLE)
    assert sum(p.numel() for p in unet.parameters()) == 35_746_307
    network = predicts_equally(unet, imported(tmp_path / "google"))
    assert sum(p.numel() for p in network.parameters()) == 35_746_307 + 512


@pytest.mark.parametrize("name", UNETS)
def test_a_folder_goes_back_as_it_came(name, tmp_path):
    unet = random_unet(UNETS[name])
    DDPMPipeline(unet, DDPMScheduler(variance_type="fixed_large")).save_pretrained(tmp_path / "theirs")
    write(imported(tmp_path / "theirs"), tmp_path / "ours.ckpt")
    checkpoint = read_checkpoint(tmp_path / "ours.ckpt")
    conditional = "num_class_embeds" in UNETS[name]
    guidance, label = (dl.Guidance(0, 1), None) if conditional else (dl.Guidance(1, 0), 0)
    sampling = dl.Sampling(dl.DDPM(variance="beta"), guidance, dl.Static())
    (tmp_path / "again").mkdir()
    made = Exported(load_denoiser(checkpoint), sampling, label, None, checkpoint)
    dl.DiffusersFormat()(made, tmp_path / "again")
    files = (tmp_path / name / "unet" / "diffusion_pytorch_model.safetensors" for name in ("theirs", "again"))
    before, after = map(load_file, files)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    again = UNet2DModel.from_pretrained(tmp_path / "again", subfolder="unet")
    options = {key for key in unet.config if not key.startswith("_")}
    differ = {key for key in options if unet.config[key] != again.config[key]}
    assert differ <= {"attention_head_dim"}  # one head by either way to write it
    assert DDPMPipeline.from_pretrained(tmp_path / "again").scheduler.config.variance_type == "fixed_large"


@pytest.mark.parametrize("options", NETWORKS, ids=str)
@pytest.mark.parametrize("label", [None, 0])
def test_an_export_comes_back_as_it_was(options, label, tmp_path):
    before = network(**options)
    made = exported(before, schedule=dl.Linear(T=30), label=label)
    given = {"image_channels": 1, "image_size": 8, "num_classes": 10, "width": 16, "channel_mults": [1, 2]}
    given |= {"num_res_blocks": 1, "norm_groups": 4, "_target_": "diffusion_lightning.UNet", **options}
    config = {
        "network": given,
        "schedule": {"_target_": "diffusion_lightning.Linear", "T": 30},
        "parameterization": {"_target_": "diffusion_lightning.Eps"},
        "guidance": {"_target_": "diffusion_lightning.Guidance", "p_uncond": 0.1, "scale": 2.0},
        "dataset": {name: given[name] for name in ("image_channels", "image_size", "num_classes")},
    }
    made.checkpoint["hyper_parameters"].update(config)
    dl.DiffusersFormat()(made, tmp_path)
    checkpoint = imported(tmp_path)
    assert checkpoint["hyper_parameters"] == config
    after = load_denoiser(checkpoint).network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.state_dict().items())

    # Weights that were trained on there are not those that were exported
    unet = UNet2DModel.from_pretrained(tmp_path, subfolder="unet")
    unet.time_embedding.linear_1.weight.data += 0.01
    unet.save_pretrained(tmp_path / "unet")
    moved = imported(tmp_path)
    after_training = load_denoiser(moved).network
    assert not torch.equal(after_training.embedding.time[0].weight, before.embedding.time[0].weight)
    assert after_training.num_classes == (before.num_classes if label is None else 0)
    assert moved["hyper_parameters"]["guidance"]["p_uncond"] == (0.1 if label is None else 1.0)

    # Neither is what is read in another way
    file = tmp_path / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"prediction_type": "sample"}))
    assert imported(tmp_path)["hyper_parameters"]["parameterization"]["_target_"].endswith("X0")


STRANGE = {
    "foreign code": (lambda c: c.update(network={"_target_": "os.system"}), "which is not part of"),
    "code in a part": (
        lambda c: c["network"].update(width={"_target_": "os.system"}),
        "which is not part of",
    ),
    "foreign guidance": (lambda c: c.update(guidance={"_target_": "os.system"}), "which is not part of"),
    "a secret": (lambda c: c["dataset"].update(root="${oc.env:HOME}"), "its config is not resolved"),
    "no shape": (lambda c: c["dataset"].pop("num_classes"), "the model has num_classes=10"),
    "another size": (lambda c: c["dataset"].update(image_size="x"), "image_size is x"),
}


@pytest.mark.parametrize("why", STRANGE)
def test_what_is_kept_for_the_way_back_is_not_trusted(why, tmp_path):
    change, message = STRANGE[why]
    made = exported(network())
    given = {"image_channels": 1, "image_size": 8, "num_classes": 10}
    made.checkpoint["hyper_parameters"].update(
        network={
            "_target_": "diffusion_lightning.UNet",
            **given,
            "width": 16,
            "channel_mults": [1, 2],
            "num_res_blocks": 1,
            "norm_groups": 4,
        },
        schedule={"_target_": "diffusion_lightning.Linear"},
        parameterization={"_target_": "diffusion_lightning.Eps"},
        guidance={"_target_": "diffusion_lightning.Guidance", "p_uncond": 0.1, "scale": 2.0},
        dataset=given,
    )
    dl.DiffusersFormat()(made, tmp_path)
    imported(tmp_path)
    tensors, config, label = returned.kept(tmp_path)
    change(config)
    returned.keep(tensors, config, label, tmp_path)
    with pytest.raises(UserError, match=message):
        imported(tmp_path)


REFUSED = {
    "scaled norms": (SMALL | {"resnet_time_scale_shift": "scale_shift"}, {}, "resnet_time_scale_shift"),
    "waves of Fourier": (SMALL | {"time_embedding_type": "fourier"}, {}, "time_embedding_type"),
    "another block": (SMALL | {"down_block_types": ["SkipDownBlock2D"] * 4}, {}, "has a SkipDownBlock2D"),
    "heads of one size": (
        SMALL
        | {"attention_head_dim": 8, "down_block_types": ["AttnDownBlock2D"] * 4}
        | {"up_block_types": ["AttnUpBlock2D"] * 4},
        {},
        "1, 2 heads at different levels",
    ),
    "a learned variance": (SMALL | {"out_channels": 6}, {}, "3 to 6 channels"),
    "no size": (SMALL | {"sample_size": None}, {}, "no sample_size"),
    "no α left": (SMALL, {"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr"),
    "another scheduler": (SMALL, {"_class_name": "ScoreSdeVeScheduler"}, "is a ScoreSdeVeScheduler"),
    "other β": (SMALL, {"beta_schedule": "sigmoid"}, "beta_schedule='sigmoid'"),
    "too little noise": (SMALL, {"beta_schedule": "scaled_linear", "beta_end": 0.012}, "add more noise"),
    "another output": (SMALL, {"prediction_type": "flow_prediction"}, "prediction_type='flow_prediction'"),
    "a text for its widths": (SMALL | {"block_out_channels": "wide"}, {}, "config.json cannot be understood"),
    "a text for its heads": (SMALL | {"attention_head_dim": "x"}, {}, "config.json cannot be understood"),
    "a text for its β": (SMALL, {"beta_start": "x"}, "scheduler_config.json cannot be understood"),
    "no levels": (SMALL | {"block_out_channels": []}, {}, "config.json cannot be understood"),
    "another model": ({"_class_name": "UNet2DConditionModel"}, {}, "is of a UNet2DConditionModel"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_ours_cannot_express_is_refused(why, tmp_path):
    config, scheduler, message = REFUSED[why]
    google_layout(tmp_path / "google", SMALL)
    changes = {
        "config": {"_class_name": "UNet2DModel", **config},
        "scheduler_config": {**SCHEDULER, **scheduler},
    }
    for name, value in changes.items():
        (tmp_path / "google" / f"{name}.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match=message):
        imported(tmp_path / "google")


@pytest.mark.parametrize(
    ("scheduler", "ours"),
    [
        ({}, dl.Linear()),
        ({"beta_schedule": "squaredcos_cap_v2"}, dl.Cosine()),
        ({"num_train_timesteps": 100, "beta_start": 1e-3, "beta_end": 0.2}, dl.Linear(T=100)),
    ],
)
def test_its_schedule_is_recognised(scheduler, ours, tmp_path):
    google_layout(tmp_path / "google", SMALL, SCHEDULER | scheduler)
    assert load_denoiser(imported(tmp_path / "google")).schedule == ours


@pytest.mark.parametrize(
    "scheduler",
    [{"beta_schedule": "scaled_linear", "beta_end": 0.03}, {"trained_betas": [0.1, 0.5, 0.9, 0.999]}],
)
def test_any_table_of_betas_is_taken(scheduler, tmp_path):
    google_layout(tmp_path / "google", SMALL, SCHEDULER | scheduler)
    ours = load_denoiser(imported(tmp_path / "google")).schedule
    theirs = DDPMScheduler.from_config(SCHEDULER | scheduler)
    torch.testing.assert_close(ours.betas().float(), theirs.betas, rtol=1e-5, atol=0)


def test_an_unconditional_network_takes_the_classes_of_its_data(tmp_path):
    unet = google_layout(tmp_path / "google", SMALL)
    data = {"image_channels": 3, "image_size": 16, "num_classes": 7}
    checkpoint = imported(tmp_path / "google", data, Asked(num_classes=7))
    assert predicts_equally(unet, checkpoint).num_classes == 7
    with pytest.raises(UserError, match="image_size=16, and the data set 32"):
        imported(tmp_path / "google", data | {"image_size": 32}, Asked(num_classes=7))
