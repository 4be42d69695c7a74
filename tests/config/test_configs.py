"""One matrix over every YAML: each option composes with the default experiment and builds."""

import weakref
from dataclasses import fields
from functools import cache
from itertools import product

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import OmegaConf

from diffusion_lightning.commands.unread import check_read
from diffusion_lightning.config.build import build_denoiser, build_sampling
from diffusion_lightning.config.changed import changed
from diffusion_lightning.diffusion.clamp import Clamp
from diffusion_lightning.diffusion.schedules import Linear
from diffusion_lightning.networks import MLP, UNet
from diffusion_lightning.sampling.generate import generate
from diffusion_lightning.training.build import build_callbacks, build_trainer
from tests.support.command import TINY
from tests.support.configs import CONF, composed, names
from tests.support.networks import perturb
from tests.support.oracles import GaussianOracle, normal, sampling_model, through_a_network

TRAIN_GROUPS = sorted(
    {str(p.parent.relative_to(CONF)) for p in CONF.glob("*/**/*.yaml")}
    - {"format", "hydra", "metrics", "network", "paths", "recipe", "study", "task"}
)


# A part of a sampler comes with a sampler that has it.
OWNERS = {"sampler/predictor": ["sampler=predictor_corrector"], "sampler/corrector": ["sampler=langevin"]}
OPTIONS = [[*OWNERS.get(g, []), f"{g}={name}"] for g in TRAIN_GROUPS for name in names(g)]


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_every_option_trains(options, tmp_path):
    cfg = composed("train", *options, f"paths.run_dir={tmp_path}")
    HydraConfig.instance().set_config(cfg)
    if cfg.dataset.num_classes is None:
        cfg.dataset.num_classes = 0
    # DDPM's network is built once, in its own test; here the wiring counts
    cfg.network.width = 8
    denoiser = build_denoiser(cfg)
    assert isinstance(denoiser.network, MLP if "dim" in cfg.dataset else UNet)
    build_sampling(cfg)
    build_callbacks(cfg)
    del cfg.hydra
    check_read(cfg, "train")
    OmegaConf.resolve(cfg)


BARS = ["diffusion_lightning.Throughput"]
BARS += [f"lightning.pytorch.callbacks.{name}" for name in ("RichProgressBar", "TQDMProgressBar")]


@pytest.mark.parametrize("bar", BARS)
def test_a_run_without_a_progress_bar_needs_no_other_option(bar, tmp_path):
    options = ["trainer.enable_progress_bar=false", f"callbacks.progress_bar._target_={bar}"]
    cfg = composed("train", *options, "trainer.accelerator=cpu", f"paths.run_dir={tmp_path}")
    HydraConfig.instance().set_config(cfg)
    trainer = build_trainer(cfg)
    assert trainer.progress_bar_callback is None
    assert len(trainer.callbacks) == len(cfg.callbacks) - 1


CHOSEN = {
    "cifar10": ("unet_ddpm", "inception"),
    "digits": ("unet_tiny", "digits"),
    "fashion_mnist": ("unet_small", "inception"),
    "image_folder": ("unet_ddpm", "inception"),
    "mnist": ("unet_small", "mnist"),
    "plane": ("mlp", "identity"),
}
"""Data set → the network and the extractor that its YAML file chooses."""


@pytest.mark.parametrize("dataset", names("dataset"))
def test_a_data_set_chooses_its_network_and_its_extractor(dataset):
    cfg = composed("train", f"dataset={dataset}", "schedule=cosine", "guidance=cfg")
    choices = cfg.hydra.runtime.choices
    assert (choices.network, choices.extractor) == CHOSEN[dataset]
    described = "dim" if dataset == "plane" else "image_size"
    assert cfg.network[described] == cfg.dataset[described]
    assert (choices.schedule, choices.guidance) == ("cosine", "cfg")


def test_the_command_line_chooses_against_the_data_set(tmp_path):
    options = ["experiment=mnist_cfg", "network=unet_tiny", "extractor=inception"]
    choices = composed("train", *options).hydra.runtime.choices
    assert (choices.dataset, choices.network, choices.extractor) == ("mnist", "unet_tiny", "inception")


def test_an_experiment_chooses_against_the_data_set(tmp_path):
    folder = tmp_path / "experiment"
    folder.mkdir()
    text = "# @package _global_\ndefaults: [override /dataset: digits, override /network: unet_small]\n"
    (folder / "mine.yaml").write_text(text)
    cfg = composed("train", "experiment=mine", f"hydra.searchpath=[{tmp_path}]")
    assert (cfg.hydra.runtime.choices.network, cfg.network.image_size) == ("unet_small", 8)


@pytest.mark.parametrize("name", ["evaluate", "train_extractor"])
def test_other_commands_have_no_network(name):
    cfg = composed(name, "dataset=digits")
    assert "network" not in cfg and cfg.dataset.image_size == 8


def test_the_learning_rate_is_the_data_sets_unless_the_optimizer_has_its_own(tmp_path):
    folder = tmp_path / "optimizer"
    folder.mkdir()
    text = "_target_: torch.optim.SGD\n_partial_: true\nlr: 0.5\n"
    (folder / "mine.yaml").write_text(text)

    def rate(*options):
        return composed("train", *options, f"hydra.searchpath=[{tmp_path}]").optimizer.lr

    for optimizer in "adam", "adamw":
        assert rate(f"optimizer={optimizer}") == 2e-3
        assert rate(f"optimizer={optimizer}", "dataset=mnist") == 1e-3
        assert rate(f"optimizer={optimizer}", "optimizer.lr=7") == 7
    assert rate("optimizer=mine") == 0.5 and rate("optimizer=mine", "optimizer.lr=7") == 7


OTHERS = {"cifar10_small": ("cfg", "unet_patches"), "cifar10_gpu_hour": ("cfg", "unet_ddpm")}
"""Experiment → guidance and network, where its name says neither."""


def test_experiments_say_what_their_names_say():
    for path in (CONF / "experiment").glob("*.yaml"):
        dataset, _, what = path.stem.partition("_")
        choices = composed("train", f"experiment={path.stem}").hydra.runtime.choices
        guidance, network = OTHERS.get(path.stem, (what, CHOSEN[dataset][0]))
        assert (choices.dataset, choices.guidance, choices.network) == (dataset, guidance, network)
        assert choices.schedule == ("cosine" if dataset in ("cifar10", "plane") else "linear")


def test_mnist_network_has_one_to_two_million_parameters():
    network = build_denoiser(composed("train", "dataset=mnist")).network
    assert 1e6 < sum(p.numel() for p in network.parameters()) < 2e6


def drawn_as_shipped(n, *options):
    """n numbers that a sampler draws of Gaussian data, known by a network that has learned them."""
    cfg = composed("train", *options)
    oracle = GaussianOracle(instantiate(cfg.schedule))
    denoiser = through_a_network(oracle, instantiate(cfg.parameterization))
    torch.manual_seed(0)
    return build_sampling(cfg).sampler(sampling_model(denoiser, Bounded()), normal(n, 1, 1, 1)), oracle


@pytest.mark.parametrize("sampler", names("sampler"))
@pytest.mark.parametrize("schedule", names("schedule"))
def test_every_sampler_as_shipped_draws_gaussian_data(sampler, schedule):
    images, oracle = drawn_as_shipped(10_000, f"sampler={sampler}", f"schedule={schedule}")
    assert images.mean().item() == pytest.approx(oracle.mean, abs=0.02)
    assert images.std().item() == pytest.approx(oracle.std, rel=0.1)


@cache
def drawn_of(parameterization, sampler):
    options = f"parameterization={parameterization}", f"sampler={sampler}", "sampler.steps=12"
    return drawn_as_shipped(100, *options)[0]


@pytest.mark.parametrize("sampler", names("sampler"))
@pytest.mark.parametrize("parameterization", sorted({*names("parameterization")} - {"eps"}))
def test_what_a_perfect_network_predicts_does_not_matter(sampler, parameterization):
    torch.testing.assert_close(
        drawn_of(parameterization, sampler), drawn_of("eps", sampler), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("sampler", names("sampler"))
def test_every_sampler_walks_over_the_same_grid_in_python(sampler):
    shipped = instantiate(composed("train", f"sampler={sampler}").sampler)
    (grid,) = (field.default for field in fields(shipped) if field.name == "grid")
    assert shipped.grid == grid


@pytest.mark.parametrize("sampler", names("sampler"))
def test_every_sampler_counts_its_evaluations_and_keeps_images_apart(sampler):
    """Image k is the same in any batch, drawn from its own stream alone."""
    cfg = composed("train", f"sampler={sampler}", "sampler.steps=12", "guidance=cfg", *TINY)
    torch.manual_seed(0)
    denoiser, sampling = perturb(build_denoiser(cfg).eval()), build_sampling(cfg)

    def images(batch_size, indices=range(9)):
        labels = [i % 10 for i in indices]
        seen = []
        batches = list(
            generate(sampling, denoiser, labels, indices, (1, 8, 8), 0, batch_size, lambda *a: seen.append(a))
        )
        assert {nfe for _, nfe in batches} == {sampling.sampler.evaluations(12)}
        assert len(seen) == 12 * len(batches)
        return torch.cat([x for x, _ in batches])

    state = torch.random.get_rng_state()
    expected = images(9)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert expected.std() > 0.1
    # Rounding, which this random network amplifies; another stream changes an image by about 1
    torch.testing.assert_close(images(4), expected, rtol=0, atol=1e-3)
    # two processes, one taking every other image
    torch.testing.assert_close(images(3, range(1, 9, 2)), expected[1::2], rtol=0, atol=1e-3)


class Bounded(Clamp):
    """Keeps x0 where Gaussian data are, as a clamp to [-1, 1] does with images."""

    def __call__(self, x0):
        return x0.clamp(-3, 3)


@pytest.mark.parametrize("sampler", names("sampler"))
def test_a_walk_of_many_steps_holds_no_more_than_a_short_one(sampler):
    model, x = sampling_model(GaussianOracle(Linear())), normal(2, 1, 4, 4)

    def most_held(steps):
        held = []

        def callback(i, t, prediction):
            references.append(weakref.ref(prediction))
            held.append(sum(reference() is not None for reference in references))

        references = []
        cfg = composed("train", f"sampler={sampler}", f"sampler.steps={steps}")
        build_sampling(cfg).sampler(model, x, callback=callback)
        return max(held)

    assert most_held(300) == most_held(10)


@pytest.mark.parametrize("study", names("study"))
def test_every_job_of_a_study_builds(study):
    cfg = composed("evaluate", f"study={study}", "checkpoint=outputs/mnist/run.ckpt")
    assert cfg.hydra.mode.name == "MULTIRUN"
    assert cfg.hydra.sweep.dir == f"outputs/studies/{study}-mnist-run"
    params = {key: str(values).split(",") for key, values in cfg.hydra.sweeper.params.items()}
    jobs = list(product(*params.values()))
    assert len(jobs) > 10
    for job in jobs:
        options = [f"{key}={value}" for key, value in zip(params, job, strict=True)]
        instantiate(composed("evaluate", *options).sampler)


@pytest.mark.parametrize(("checkpoint", "name"), [("zoo:mnist", "zoo-mnist"), ("hub:me/mine", "hub-me-mine")])
def test_the_folder_of_a_study_can_be_made_on_any_system(checkpoint, name):
    cfg = composed("evaluate", "study=samplers", f"checkpoint='{checkpoint}'")
    assert cfg.hydra.sweep.dir == f"outputs/studies/samplers-{name}"


def test_a_changed_config_is_a_new_one():
    cfg = OmegaConf.create({"speed": {"precision": None}, "trainer": {"precision": "${speed.precision}"}})
    OmegaConf.set_struct(cfg, True)
    OmegaConf.set_readonly(cfg, True)
    new = changed(cfg, {"speed.precision": "32-true", "dataset.class_names": ["cat"]})
    assert new == {
        "speed": {"precision": "32-true"},
        "trainer": {"precision": "32-true"},
        "dataset": {"class_names": ["cat"]},
    }
    assert OmegaConf.is_readonly(new) and OmegaConf.is_struct(new)
    assert cfg.speed.precision is None and "dataset" not in cfg


def test_sampling_cannot_contradict_the_checkpoint():
    cfg = composed("sample")
    assert not {"schedule", "network", "parameterization", "dataset"} & set(cfg)
