"""Bad input, from the command line and from files: one table, each row one clear line and nothing lost.

`python -m tests.commands.test_bad_input` writes the table into docs/reliability.md.
"""

import os
import pickle
import shlex
import shutil
import struct
import zipfile
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from diffusion_lightning.checkpoints.format import FORMAT
from diffusion_lightning.zoo.files import found
from tests.support.command import ROOT, run
from tests.support.in_process import run_here

DOC = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- bad input: python -m tests.commands.test_bad_input -->", "<!-- end of bad input -->"


class Case(NamedTuple):
    """What is wrong, the command, and what its one line says."""

    about: str
    command: str
    message: str


def cases(command, *rows):
    return [Case(about, f"{command} {arguments}".strip(), message) for about, arguments, message in rows]


COMMAND_LINE = cases(
    "train.py",
    ("an unknown key", "nothing=1", "nothing is unknown; there are seed, data_dir"),
    ("a misspelt key", "sampler.stepz=3", "sampler.stepz is unknown; there are grid, steps, eta"),
    ("a key below a number", "seed.x=3", "seed.x is unknown"),
    ("a new key that its class does not know", "+sampler.foo=3", "DDIM takes steps, eta, grid"),
    (
        "a new key at the top",
        "+lr_scheduler=cosine",
        "lr_scheduler is not read by train; there are callbacks",
    ),
    ("a misspelt new key", "+seeed=3", "seeed is not read by train; there are callbacks"),
    ("a group of another command", "+task=generate", "task is not read by train"),
    ("a new key below a group", "+paths.x=3", "paths.x is unknown, nothing reads it; there are run_dir"),
    ("another logger for the trainer", "+trainer.logger=false", "would change nothing: train sets it itself"),
    (
        "a callback's argument that is the run's",
        "'+callbacks.sample_grid.sampling={_target_: diffusion_lightning.Sampling}'",
        "callbacks.sample_grid.sampling is the run's own",
    ),
    ("a new key that is there", "+seed=3", "An item is already at 'seed'"),
    ("a number for a group", "guidance=3", "choose guidance= from cfg, conditional, unconditional"),
    ("null for a group", "schedule=null", "choose schedule= from cosine, linear"),
    ("a list for a group", "sampler=[1]", "choose sampler= from ddim"),
    ("an empty group", "sampler=", "choose sampler= from ddim"),
    ("an unknown option of a group", "sampler=foo", "choose sampler= from ddim, ddpm"),
    ("an unknown option of a part", "sampler/grid=foo", "choose sampler/grid= from karras"),
    ("a network of before", "network=mnist", "network=mnist is now called network=unet_small"),
    (
        "an extractor of before",
        "extractor=fashion_mnist",
        "extractor=fashion_mnist is now called extractor=inception",
    ),
    ("a search of before", "experiment=digits_search", "is now called search=digits"),
    ("an unknown experiment", "experiment=foo", "choose experiment= from cifar10_cfg"),
    ("an unknown logger in a list", "logger=[foo]", "choose logger= from csv"),
    ("an option's name for its object", "sampler.grid=quadratic", "with sampler/grid=quadratic"),
    (
        "a predictor's name for its object",
        "sampler=predictor_corrector sampler.predictor=ddim",
        "with sampler/predictor=ddim",
    ),
    (
        "a predictor's η above 1",
        "sampler=predictor_corrector sampler/predictor=ddim sampler.predictor.eta=2",
        "sampler.predictor: eta is 2",
    ),
    ("no equals sign", "seed", "cannot be read as key=value"),
    ("no key", "=3", "must be a string or a list"),
    ("an open quote", '"\'seed=3"', "cannot be read as key=value"),
    ("a list without -m", "seed=1,2", "To sweep over it, add --multirun"),
    ("an interpolation that leads nowhere", "'sampler.steps=${nope}'", "Interpolation key 'nope' not found"),
    ("a variable that is not set", "'data_dir=${oc.env:NOT_SET_HERE}'", "'NOT_SET_HERE' not found"),
    ("a value left open", "sampler.steps=???", "sampler.steps is missing; add sampler.steps=<value>"),
    ("a group taken out", "'~trainer'", "trainer"),
    ("an argument taken out", "'~network.width'", "missing 1 required positional argument: 'width'"),
    ("a key taken out that is not there", "'~nothing'", "'nothing' does not exist"),
    ("an unknown config", "--config-name nothing", "Cannot find primary config 'nothing'"),
    ("a config folder that is not there", "--config-dir nothing", "not found"),
    ("an unknown launcher", "hydra/launcher=foo", "choose hydra/launcher= from basic"),
    ("a run folder below a file", "hydra.run.dir=file.txt/run", "file.txt/run: Not a directory"),
    ("null for the run folder", "hydra.run.dir=null", "hydra.run.dir"),
    ("a run folder with too long a name", f"hydra.run.dir={'x' * 300}", "File name too long"),
)

TRAINING = cases(
    "train.py",
    ("text for a number", "seed=abc", "seed is 'abc'; it must be an integer"),
    ("a negative seed", "seed=-1", "seed is -1"),
    ("half a seed", "seed=1.5", "seed is 1.5; it must be an integer"),
    ("a seed of more than 64 bits", "seed=99999999999999999999", "more than 64 bits"),
    ("a seed of more than 32 bits", "seed=99999999999", "4294967295"),
    ("null for a folder", "data_dir=null", "data_dir is null"),
    ("a number for a folder", "data_dir=3", "Quote it, data_dir=\"'3'\""),
    ("nothing for a folder", "data_dir=", "data_dir is missing"),
    ("a negative warm-up", "warmup_images=-1", "warmup_images is -1; it must be 0 or more"),
    ("text for yes or no", "resume=perhaps", "it must be true or false"),
    ("a number for yes or no", "resume=1", "resume is 1; it must be true or false"),
    ("a model to resume", "resume=zoo:digits", "init=<checkpoint> starts a new run from the weights"),
    (
        "a model for the folder of a run",
        "hydra.run.dir=zoo:digits resume=true",
        "zoo:digits is the name of a model",
    ),
    ("another network than the model's", "init=zoo:digits", "init=zoo:digits does not fit this network"),
    ("a folder that holds a run", "hydra.run.dir=run", "already holds a run: add resume=true"),
    (
        "a resumed run without its last checkpoint",
        "hydra.run.dir=run resume=true callbacks.last=null",
        "callbacks.last is null",
    ),
    ("two that write the last checkpoint", "+callbacks.checkpoint.save_last=true", "leave save_last out"),
    ("versions of a file", "+callbacks.checkpoint.enable_version_counter=true", "leave it out"),
    (
        "two that write files of one name",
        "+callbacks.a={_target_:diffusion_lightning.LastCheckpoint,folder:new/checkpoints}",
        "another callback's file too",
    ),
    ("no timesteps", "schedule.T=0", "schedule: T is 0"),
    ("half a timestep", "schedule.T=1.5", "schedule.T is 1.5; it must be an integer"),
    ("more timesteps than there is memory for", "schedule.T=1000000000000000", "and at most 1000000"),
    ("too few timesteps for pure noise", "schedule.T=2", "T must be at least 3"),
    ("too few for cosine", "schedule=cosine schedule.T=4", "T must be at least 5"),
    ("too little noise", "schedule.beta_end=0.01", "it must add more noise"),
    ("a shift that no cosine sees", "schedule=cosine schedule.s=1e17", "β from 0 to 0"),
    ("a schedule that falls", "schedule.beta_start=0.5", "0 < beta_start <= beta_end < 1"),
    ("a β that is no number", "schedule.beta_end=nan", "schedule.beta_end is nan"),
    ("a shift of 0", "schedule=cosine schedule.s=0", "schedule: s is 0; it must be positive"),
    ("an infinite shift", "schedule=cosine schedule.s=inf", "schedule.s is inf; it must be a finite number"),
    ("a probability above 1", "guidance=cfg guidance.p_uncond=1.5", "must be between 0 and 1"),
    ("text for a scale", "guidance=cfg guidance.scale=abc", "guidance.scale is 'abc'; it must be a finite"),
    ("a scale for an unconditional model", "guidance.scale=2", "guidance: scale=2 needs class labels"),
    ("no γ", "objective=min_snr objective.gamma=0", "objective: gamma is 0; it must be positive"),
    ("a negative learning rate", "optimizer.lr=-1", "optimizer.lr is -1; it must be above 0"),
    ("a learning rate of 0", "optimizer.lr=0", "optimizer.lr is 0; it must be above 0"),
    ("an infinite learning rate", "optimizer.lr=inf", "optimizer.lr is inf; it must be a finite number"),
    ("a learning rate in words", "optimizer.lr=fast", "optimizer.lr is 'fast'; it must be a finite number"),
    ("an argument that the optimizer does not know", "+optimizer.speed=3", "optimizer.speed is unknown"),
    ("a negative weight decay", "optimizer=adamw optimizer.weight_decay=-1", "weight_decay is -1"),
    ("no steps", "sampler.steps=0", "sampler: steps is 0"),
    ("η above 1", "sampler.eta=2", "sampler: eta is 2; it must be between 0"),
    ("an unknown variance", "sampler=ddpm sampler.variance=small", "it must be posterior or beta"),
    ("an order of 4", "sampler=deis sampler.order=4", "sampler: order is 4; it must be 1, 2 or 3"),
    ("times that rise", "sampler/grid=times sampler.grid.times=[0.1,0.5]", "sampler.grid: times is"),
    (
        "times from nowhere",
        "sampler/grid=times sampler.grid.times=[0.5,0.1]",
        "sampler: the times begin at 0.5",
    ),
    ("ρ = 0", "sampler/grid=karras sampler.grid.rho=0", "sampler.grid: rho is 0; it must be positive"),
    ("too much churn", "sampler=heun sampler.churn=1", "sampler: churn is 1"),
    ("no corrections of no step", "sampler=langevin sampler.n_corrections=0", "nothing would move"),
    ("negative corrections", "sampler=langevin sampler.n_corrections=-1", "n_corrections is -1"),
    ("a quantile of 0", "clamp=dynamic clamp.quantile=0", "clamp: quantile is 0"),
    ("no width", "network.width=0", "network: width is 0"),
    ("an odd width", "network.width=7", "network: width is 7; it must be even"),
    ("a width for which there is no memory", "network.width=10000000", "not enough memory"),
    ("no levels", "network.channel_mults=[]", "network: channel_mults is empty"),
    ("a level without channels", "network.channel_mults=[1,0]", "network: channel_mults is 0"),
    ("a number for a list", "network.channel_mults=2", "Write network.channel_mults=[2]"),
    ("a dropout above 1", "network.dropout=1.5", "network: dropout is 1.5; it must be between 0 and 1"),
    ("heads that do not divide", "network.num_heads=7", "must divide the channels"),
    ("images that cannot be halved", "network.channel_mults=[1,1,1,1,1]", "must be a multiple of 16"),
    (
        "another class",
        "schedule._target_=diffusion_lightning.diffusion.clamp.Static",
        "schedule.T is unknown",
    ),
    ("a class that is not there", "network._target_=nowhere.UNet", "No module named 'nowhere'"),
    ("an extractor without a class", "extractor=module", "extractor._target_ is missing"),
    ("epochs in words", "trainer.max_epochs=ten", "trainer.max_epochs is 'ten'; it must be an integer"),
    ("no epochs", "trainer.max_epochs=0", "it must be above 0, or -1 for no limit"),
    ("negative epochs", "trainer.max_epochs=-3", "it must be above 0, or -1 for no limit"),
    ("no batches", "trainer.limit_train_batches=0", "it must be above 0"),
    ("one and a half batches", "trainer.limit_train_batches=1.5", "[0.0, 1.0] or an int"),
    ("nothing to accumulate", "trainer.accumulate_grad_batches=-1", "it must be above 0"),
    ("logging every 0 steps", "trainer.log_every_n_steps=0", "it must be above 0"),
    ("validation every 0 epochs", "trainer.check_val_every_n_epoch=0", "it must be above 0"),
    ("a negative clip", "trainer.gradient_clip_val=-1", "it must be 0 or more"),
    ("no devices", "trainer.devices=0", "devices=0"),
    ("an unknown accelerator", "trainer.accelerator=abacus", "Available names are"),
    ("an unknown precision", "trainer.precision=7", "trainer.precision is 7; it must be"),
    ("half a name of a precision", "speed.precision=bf16", "it must be 32-true, bf16-mixed, 16-mixed"),
    ("an unknown way to compile", "speed.compile=fast", "it must be true, false, null, or default"),
    ("a number for a switch", "speed.allocator=1", "speed.allocator is 1; it must be true or false or null"),
    ("an unknown speed", "speed=warp", "choose speed= from auto, plain"),
    ("a time that is none", "trainer.max_time=soon", "DD:HH:MM:SS"),
    ("an argument that the trainer does not know", "trainer.speed=3", "trainer.speed is unknown"),
    ("an average that never forgets", "callbacks.ema.decay=1", "callbacks.ema: decay is 1"),
    ("a number for a callback", "callbacks.ema=3", "callbacks.ema is 3; it must have a _target_"),
    (
        "a callback without a class",
        "+callbacks.mine.x=3",
        "callbacks.mine is {'x': 3}; it must have a _target_",
    ),
    ("no images in the grid", "callbacks.sample_grid.num_images=0", "sample_grid: num_images is 0"),
    ("a monitor that nothing measures", "callbacks.checkpoint.monitor=fid", "add callbacks=fid"),
    (
        "a metric to optimize that nothing measures",
        "optimized_metric=val_loss",
        "nothing measures val_loss, which is monitored or optimized; choose one of val/loss",
    ),
    (
        "an unknown interval",
        "callbacks.learning_rate.logging_interval=day",
        "it must be step or epoch or null",
    ),
    ("no logs at all", "logger.csv=null", "no logger"),
    ("no images for FID", "callbacks=fid callbacks.fid.num_images=0", "num_images"),
)

PLACES = cases(
    "train.py",
    ("checkpoints out of the run", "callbacks.checkpoint.filename=../../x", "leads out of the run's folder"),
    ("a checkpoint at an absolute path", "callbacks.checkpoint.filename=/x", "leads out of the run's folder"),
    (
        "checkpoints in another folder",
        "callbacks.checkpoint.dirpath=elsewhere",
        "leads out of the run's folder",
    ),
    (
        "pictures in another folder",
        "callbacks.sample_grid.folder=/elsewhere",
        "leads out of the run's folder",
    ),
    ("a log in another folder", "logger.csv.save_dir=..", "leads out of the run's folder"),
    ("a log whose name leads out", "logger=tensorboard logger.tensorboard.name=../../x", "leads out of"),
)

DATA = cases(
    "train.py",
    ("no batch", "dataset.batch_size=0", "dataset: batch_size is 0"),
    ("a batch in words", "dataset.batch_size=big", "dataset.batch_size is 'big'; it must be an integer"),
    ("negative workers", "dataset.num_workers=-1", "dataset: num_workers is -1"),
    ("images of other channels", "dataset.image_channels=3", "dataset.image_size say (3, 8, 8)"),
    ("images of three sides", "dataset.image_size=[8,8,8]", "it must be one side, or [height,width]"),
    ("images that cannot be halved both ways", "dataset.image_size=[8,9]", "a multiple of 2, not 9"),
    ("a class that is not there", "dataset.classes=[0,cow]", "no class 'cow'; the classes are 0, 1, 2"),
    ("a class of too large a number", "dataset.classes=[10]", "class numbers from 0 to 9"),
    ("no classes at all", "dataset.classes=[]", "class numbers from 0 to 9"),
    ("no images at all", "dataset.limit=0", "dataset: limit is 0"),
    ("a name too few", "dataset.class_names=[a,b]", "but there are 2 class_names"),
    (
        "training images of doubtful splits",
        "dataset=image_folder data_dir=images/doubtful",
        "dataset.splits=[",
    ),
    (
        "splits in a folder below",
        "dataset=image_folder data_dir=images/nested",
        "set data_dir=images/nested/in",
    ),
    (
        "splits that are not there",
        "dataset=image_folder data_dir=images/one dataset.splits=[a,b]",
        "it must be two folders below images/one",
    ),
    (
        "a range backwards",
        "dataset=image_folder data_dir=images/one dataset.value_range=[255,0]",
        "it must be [<black>,<white>]",
    ),
    ("pixels without a range", "dataset=image_folder data_dir=images/float", "set dataset.value_range=["),
    (
        "labels of missing images",
        "dataset=image_folder data_dir=images/table",
        "there is no image images/table/2.png",
    ),
    (
        "images without labels",
        "dataset=image_folder data_dir=images/rows",
        "has no row in images/rows/metadata.csv",
    ),
    ("images of no size", "dataset.image_size=0", "dataset: image_size is 0"),
    ("too few classes", "dataset.num_classes=9", "set dataset.num_classes=10"),
    ("text for a flip", "dataset.flip=left", "dataset.flip is 'left'; it must be true or false"),
    ("data that is not there", "dataset=mnist", "train-images-idx3-ubyte.gz"),
    ("a folder that is not there", "dataset=image_folder data_dir=nowhere", "no folder nowhere"),
    ("a file for a folder", "dataset=image_folder data_dir=file.txt", "no folder file.txt"),
    ("an empty folder", "dataset=image_folder data_dir=images/none", "no images in images/none"),
    ("loose images beside classes", "dataset=image_folder data_dir=images/mixed", "keep one of the two"),
    ("training images alone", "dataset=image_folder data_dir=images/half", "add one of them"),
    ("other classes in the test set", "dataset=image_folder data_dir=images/other", "expected ['cat']"),
    (
        "classes that are not there",
        "dataset=image_folder data_dir=images/one dataset.class_names=[cat]",
        "cat",
    ),
    ("images of two channels", "dataset=image_folder data_dir=images/one dataset.image_channels=2", "1 or 3"),
    (
        "images of 1×1",
        "dataset=image_folder data_dir=images/one dataset.image_size=1",
        "must be a multiple of 8",
    ),
    (
        "a file of no bytes",
        "dataset=image_folder data_dir=images/empty",
        "images/empty/bad.png cannot be read",
    ),
    (
        "half a file",
        "dataset=image_folder data_dir=images/truncated",
        "images/truncated/bad.png cannot be read",
    ),
    ("a text named .png", "dataset=image_folder data_dir=images/text", "images/text/bad.png cannot be read"),
    ("a link that leads nowhere", "dataset=image_folder data_dir=images/link", "images/link/bad.png cannot"),
    (
        "a decompression bomb",
        "dataset=image_folder data_dir=images/bomb",
        "images/bomb/bad.png cannot be read",
    ),
    ("pixels of 32 bits", "dataset=image_folder data_dir=images/deep", "save it in 8 bits"),
    (
        "a copy of CIFAR-10 without a class",
        "dataset=cifar10 data_dir=images/cifar10",
        "images/cifar10/train has no airplane, automobile, bird, deer",
    ),
    (
        "a copy of CIFAR-10 that is not there",
        "dataset=cifar10 data_dir=images/cifar10 dataset.copy=jpeg",
        "no copy of CIFAR-10 in JPEG files in images/cifar10",
    ),
    (
        "an unknown copy of CIFAR-10",
        "dataset=cifar10 dataset.copy=gif",
        "dataset.copy is 'gif'; it must be original or png or jpeg or null",
    ),
    ("an unknown shape of the plane", "dataset=plane dataset.shape=moon", "it must be moons, swiss_roll"),
    ("a text for a picture", "dataset=plane dataset.shape=file.txt", "file.txt cannot be read as an image"),
    ("points of three coordinates", "dataset=plane dataset.dim=3", "dim is 3; a point of the plane has 2"),
    ("an odd width", "dataset=plane network.width=12", "width is 12; it must be a multiple of 8"),
)

CHECKPOINTS = cases(
    "sample.py",
    ("no checkpoint", "checkpoint=null", "which model?"),
    ("an empty name", "checkpoint=", "checkpoint is missing"),
    ("a checkpoint that is not there", "checkpoint=nowhere", "no checkpoint at nowhere"),
    ("a folder without one", "checkpoint=images", "no checkpoint at images/checkpoints/last.ckpt"),
    ("a checkpoint of no bytes", "checkpoint=bad/empty.ckpt", "truncated, or no checkpoint"),
    ("an unknown model of the zoo", "checkpoint=zoo:nothing", "no model zoo:nothing; there are zoo:"),
    ("half a file of weights", "checkpoint=bad/half.safetensors", "truncated or damaged"),
    ("changed weights", "checkpoint=bad/changed.safetensors", "its weights are not those that were written"),
    ("weights of a later version", "checkpoint=bad/later.safetensors", "reads formats up to"),
    ("weights of something else", "checkpoint=bad/other.safetensors", "it has no config"),
    ("raw weights of a model of the zoo", "checkpoint=zoo:digits weights=raw", "the averaged weights alone"),
    ("half a checkpoint", "checkpoint=bad/half.ckpt", "truncated, or no checkpoint"),
    ("a damaged one", "checkpoint=bad/damaged.ckpt", "truncated or damaged"),
    ("a text", "checkpoint=bad/text.ckpt", "truncated, or no checkpoint"),
    ("a zip of something else", "checkpoint=bad/zip.ckpt", "truncated or damaged"),
    ("pickled code", "checkpoint=bad/code.ckpt", "it holds pickled code"),
    ("of another project", "checkpoint=bad/foreign.ckpt", "not a checkpoint of this project"),
    ("a mere list", "checkpoint=bad/list.ckpt", "it holds a list"),
    ("a list for its config", "checkpoint=bad/config.ckpt", "it has no config"),
    ("without a network", "checkpoint=bad/network.ckpt", "no ['network'] in it"),
    ("texts for weights", "checkpoint=bad/texts.ckpt", "it has no weights"),
    ("weights of another network", "checkpoint=bad/width.ckpt", "do not fit its own config"),
    ("weights left out", "checkpoint=bad/missing.ckpt", "do not fit its own config"),
    ("weights that are not finite", "checkpoint=bad/nan.ckpt", "not all finite"),
    ("text for a width", "checkpoint=bad/type.ckpt", "the checkpoint's network.width is 'wide'"),
    ("an unknown argument", "checkpoint=bad/argument.ckpt", "the checkpoint's network.colour is unknown"),
    ("a class that is not there", "checkpoint=bad/class.ckpt", "which is not there"),
    ("foreign code", "checkpoint=bad/target.ckpt", "'os.system', which is not part of"),
    ("another kind of object", "checkpoint=bad/kind.ckpt", "the checkpoint's network is no Module"),
    ("other images than the network's", "checkpoint=bad/shape.ckpt", "differ in ['image_size']"),
    ("a config that asks for a secret", "checkpoint=bad/secret.ckpt", "its config is not resolved"),
)

SAMPLING = cases(
    "sample.py",
    ("no images", "num_images=0", "num_images is 0"),
    ("images without end", "num_images=1000000000000", "at most 10000000"),
    ("half an image", "num_images=1.5", "num_images is 1.5; it must be an integer or null"),
    ("no batch", "batch_size=0", "batch_size is 0"),
    ("a negative seed", "seed=-1", "seed is -1"),
    ("unknown weights", "weights=best", "it must be ema or raw"),
    ("a class too many", "labels=[3,10]", "class numbers from 0 to 9"),
    ("no classes", "labels=[]", "class numbers from 0 to 9"),
    ("a class of no such name", "labels=[3,cat]", "no class 'cat'; the classes are 0, 1, 2"),
    ("half a class", "labels=[1.5]", "it must be an integer or text or a list of integers or texts or null"),
    ("labels for unconditional images", "labels=3 guidance.scale=0", "leave labels out"),
    ("samples in an unknown precision", "speed.precision=8", "speed.precision is 8; it must be text or null"),
    ("a scale in words", "guidance.scale=abc", "guidance.scale is 'abc'; it must be a finite number"),
    ("a scale for a group", "guidance=3", "guidance.<name>=<value>"),
    ("an interval backwards", "guidance.interval=[0.8,0.2]", "guidance: interval is [0.8, 0.2]"),
    ("a scale that overflows", "guidance.scale=1e300 clamp=none", "is not finite any more"),
    ("a profile against time", "guidance.profile=[[1,0],[0,1]]", "guidance: profile is [[1, 0], [0, 1]]"),
    ("away from no class", "guidance.away=11", "guidance: away is 11; it must be a class number from 0 to 9"),
    ("too much contrast", "guidance.rescale=2", "guidance: rescale is 2"),
    ("an unknown device", "device=abacus", "device=abacus is not available here"),
    ("a device without memory", "device=meta", "device=meta is not available here"),
    ("a number for a device", "device=3", "device is 3; it must be text"),
    ("another schedule", "schedule=cosine", "schedule"),
    ("a predictor for a sampler without", "sampler/predictor=ddim", "sampler/predictor"),
    ("samples that are there", "out=samples", "add overwrite=true"),
    ("a file for a folder", "out=file.txt", "out=file.txt cannot be a folder"),
    ("a folder below a file", "out=file.txt/new", "out=file.txt/new cannot be a folder (Not a directory)"),
    ("an empty folder name", "out=", "out is missing"),
    ("a folder name without end", f"out={'x' * 300}", "File name too long"),
    ("a text for a list", "trust=mine", "Write trust=[mine]"),
    ("a text for a switch", "captions=maybe", "captions is 'maybe'; it must be true or false"),
    ("pages without images", "task.images_per_page=0", "task: images_per_page is 0"),
    ("a negative number of pages", "task.pages=-1", "task: pages is -1"),
    ("an unknown task", "task=paint", "choose task= from clamp_study"),
    ("a test image too many", "task=inpaint task.images=[9999]", "the numbers go from 0 to 296"),
    ("a file that is not there", "task=inpaint task.images=[nowhere.png]", "nowhere.png cannot be read"),
    ("a file of another size", "task=inpaint task.images=[images/one/1.png]", "the model draws 8x8"),
    ("one name for a list", "task=inpaint task.images=a.png", "Write task.images=[a.png]"),
    ("a hole without pixels", "task=inpaint task.hole=[0.5,0,0.5,1]", "task: hole is [0.5, 0, 0.5, 1]"),
    ("a mask that is a folder", "task=inpaint task.mask=images", "images cannot be read as an image"),
    ("a time above 1", "task=image_to_image task.t_starts=[2]", "t_starts is 2; it must be in (0, 1]"),
    ("paths of images", "task=trajectories", "task=filmstrip shows the walk of images"),
    ("three images for pairs", "task=interpolate task.images=[1,2,3]", "pairs are needed"),
    ("an inversion by chance", "task=invert sampler=ddpm", "along the steps of DDIM with eta=0"),
    ("a film out of the folder", "task=filmstrip task.film=../film.gif", "task: film is"),
    (
        "a film of no length",
        "task=filmstrip task.seconds=0",
        "task: seconds is 0; it must be above 0 and at most 600",
    ),
    ("a scale beside the task's", "task=guidance_sweep guidance.scale=0", "the task goes by task.scales"),
    ("a sampler beside the task's", "task=sampler_study sampler.steps=9", "the task goes by task.samplers"),
    ("a clamp beside the task's", "task=clamp_study clamp=none", "the task goes by task.clamps"),
    ("images beside the task's", "task=inpaint num_images=3", "the task goes by task.images"),
    ("a guidance that the model lacks", "+guidance.p_uncond=0.5", "guidance.p_uncond is unknown"),
    ("no scales", "task=guidance_sweep task.scales=[]", "task: scales is empty"),
    ("no evaluations", "task=sampler_study task.evaluations=[]", "task: evaluations is empty"),
)

EVALUATION = cases(
    "evaluate.py",
    ("nothing to measure", "checkpoint=null", "what shall be measured?"),
    ("no metric", "metrics=[]", "metrics=[] measures nothing"),
    ("an unknown metric", "metrics=[beauty]", "choose metrics= from bits"),
    ("one image", "num_images=1", "num_images is 1; it must be an integer of at least 2"),
    ("a file of one image", "samples=bad/single.npz", "holds one image; an evaluation takes at least two"),
    ("no subsets", "metrics.kid.subsets=0", "metrics.kid: subsets is 0"),
    ("no devices", "devices=0", "devices is 0"),
    (
        "an extractor for other images",
        "extractor=digits extractor.num_classes=3",
        "does not fit the extractor",
    ),
    ("weights that are not there", "extractor.weights=nowhere", "extractor.weights"),
    (
        "weights that are a text",
        "extractor=digits extractor.weights=file.txt extractor.sha256=null",
        "not a safetensors",
    ),
    ("other weights than named", "extractor=digits extractor.sha256=abc", "but sha256 is abc"),
    ("an evaluation that is damaged", "out=bad/evaluation", "evaluation.json is damaged"),
    ("another evaluation", "out=bad/other", "holds another evaluation"),
    ("a folder below a file", "out=file.txt/new num_images=2", "cannot be a folder"),
    (
        "data that the extractor does not know",
        "dataset=image_folder data_dir=images/one",
        "1 channels, not 3",
    ),
    ("a network beside the checkpoint's", "network=unet_tiny", "network is not read by evaluate"),
    ("the recipe of a training", "dataset=digits trainer.max_epochs=3", "trainer is not read by evaluate"),
    (
        "bits of images that no model drew",
        "samples=samples/samples.npz metrics=[bits]",
        "measures a model, not",
    ),
    ("a sampler for images that are there", "samples=bad/none.npz sampler=heun", "are drawn already"),
    ("a study of nothing", "study=beauty", "choose study= from clamp, guidance, samplers"),
    ("samples that are not there", "samples=nowhere.npz", "no file nowhere.npz"),
    ("samples of no bytes", "samples=bad/empty.npz", "cannot be read"),
    ("half a file of samples", "samples=bad/half.npz", "cannot be read"),
    ("samples with pickled objects", "samples=bad/objects.npz", "without pickled objects"),
    ("samples of another size", "samples=bad/size.npz", "(H, W, C) = (8, 8, 1)"),
    ("samples of another type", "samples=bad/type.npz", "must be uint8"),
    ("no samples", "samples=bad/none.npz", "must be uint8 (N, H, W, C)"),
    ("labels of no class", "samples=bad/labels.npz", "must be from 0 to 10"),
)

HUB = cases(
    "sample.py",
    ("a name of the hub without an owner", "checkpoint=hf:digits", "is no repository of the hub"),
    ("a hub that nobody knows", "checkpoint=hub:me/digits", "or hf:owner/name"),
) + cases(
    "diffusion_lightning/push.py",
    ("nothing to push", "checkpoint=null", "which model?"),
    ("nowhere to push it to", "repo=null", "where to? Give repo=<owner>/<name>"),
    ("a repository without an owner", "repo=digits", "is no repository of the hub; it must be owner/name"),
    ("raw weights for others", "weights=raw", "a model is handed on with its averaged weights"),
    ("data for a push", "data_dir=data", "would change nothing: no data are read"),
    ("too many images in a card", "num_images=5000", "num_images is 5000"),
    ("figures that are not there", "evaluation=images", "evaluation=images has no evaluation.json"),
    ("a folder that holds files", "out=images", "images already holds files: add overwrite=true"),
)

EXPORTS = cases(
    "diffusion_lightning/export.py",
    ("nothing to export", "checkpoint=null", "which model?"),
    ("an unknown format", "format=jpeg", "choose format= from diffusers"),
    ("a folder that is not empty", "out=samples", "add overwrite=true"),
    ("an export below a file", "out=file.txt/new", "out=file.txt/new cannot be a folder"),
    ("a seed for what draws nothing", "seed=3", "an export draws nothing; leave seed= out"),
    ("steps that the pipeline is told", "sampler.steps=9", "the format goes by num_inference_steps="),
    ("several classes", "labels=[1,2]", "are several classes; choose one"),
    ("a class of no such number", "labels=10", "class numbers from 0 to 9"),
    ("guidance of one class", "labels=3 guidance.scale=2", "one class alone is drawn without guidance"),
    ("a guidance that is more than a scale", "guidance.rescale=0.5", "leave guidance.rescale out"),
    ("a walk that diffusers has in another class", "sampler=heun", "the scheduler of sampler=ddpm"),
    ("another grid", "sampler/grid=quadratic", "with sampler/grid=uniform"),
    ("normalisations that vary", "checkpoint=bad/groups.ckpt", "has one number of groups"),
    ("an output that diffusers lacks", "checkpoint=bad/edm.ckpt", "cannot express parameterization EDM"),
)

IMPORTS = cases(
    "diffusion_lightning/import_weights.py",
    ("nothing to import", "source=null", "which weights?"),
    ("weights that are not there", "source=no/where/at/all", "is not there; give a folder"),
    ("a folder without a model", "source=images", "config.json is not there"),
    ("weights for a folder", "source=theirs out=images", "out=images is a folder; give a file"),
    ("a checkpoint that is there", "source=theirs out=file.txt", "exists: add overwrite=true"),
    ("what a run resumes from", "source=theirs out=new/last.ckpt", "choose another out="),
    ("a size that the folder has", "source=theirs image_size=8", "the folder says it itself"),
    ("weights of other images", "source=theirs dataset=cifar10", "the model has image_channels=1"),
    ("a pickled network", "source=bad/edm.pkl", "a .pkl holds pickled code, which is never run"),
    ("weights with pickled code", "source=bad/code.ckpt", "it holds pickled code, which is never run"),
    ("weights of no bytes", "source=bad/empty.ckpt", "truncated or damaged"),
    ("weights of an unknown code", "source=bad/tensors.safetensors", "no code that is known here"),
    ("a text for heads", "source=theirs num_heads=many", "num_heads is 'many'; it must be an integer"),
)

REPORTS = cases(
    "diffusion_lightning/report.py",
    ("a report of nothing", "run=null", "a report of what? Give the folder of a run or of a sweep"),
    ("a run that is not there", "nowhere", "no folder nowhere; give the folder of a run or of a sweep"),
    ("a folder without a run", "images", "images holds no runs; give the folder of a run or of a sweep"),
    ("a run whose metrics are damaged", "bad/metrics", "bad/metrics/metrics.csv is damaged"),
    ("nothing beside a run", "run against=images", "images holds no run: it has no metrics.csv"),
    ("a run beside a sweep", "läufe against=run", "läufe is a sweep, whose jobs are side by side already"),
    ("a page that is there", "run out=file.txt", "file.txt exists: add overwrite=true"),
    ("a folder for a page", "run out=images", "out=images is a folder; give a file"),
    ("a page below a file", "run out=file.txt/new", "out=file.txt cannot be a folder"),
    ("too many pictures", "run pictures=1000", "pictures is 1000; it must be an integer of at least 0"),
    ("a second folder without a name", "run images", "images cannot be read as key=value"),
    ("a seed for what draws nothing", "run seed=3", "seed is unknown; there are run, against"),
)

PLAYGROUND = cases(
    "diffusion_lightning/playground.py",
    ("a page without a model", "checkpoint=null", "which model? Give checkpoint="),
    ("a page for a model that is not there", "checkpoint=nowhere", "no checkpoint at nowhere"),
    ("a folder of runs that is not there", "folders=[nowhere]", "folders: nowhere is no folder"),
    ("a folder of runs for a list", "folders=run", "Write folders=[run]"),
    ("no walks", "walks=0", "walks is 0; it must be an integer of at least 1 and at most 64"),
    (
        "a port that is none",
        "port=99999",
        "port is 99999; it must be an integer of at least 1 and at most 65535",
    ),
    ("half a share", "share=half", "share is 'half'; it must be true or false"),
    ("an option that the page has itself", "seed=3", "seed is unknown; there are"),
)

CASES = [
    *COMMAND_LINE,
    *TRAINING,
    *PLACES,
    *DATA,
    *CHECKPOINTS,
    *SAMPLING,
    *EVALUATION,
    *EXPORTS,
    *IMPORTS,
    *HUB,
    *REPORTS,
    *PLAYGROUND,
]

FOLDER = "train.py dataset=image_folder dataset.image_size=8 network=unet_tiny"

ODD = [
    ("a data set of one image", f"{FOLDER} data_dir=images/one"),
    ("images of 1×1 pixels", f"{FOLDER} data_dir=images/dots"),
    ("16 bits, palettes, CMYK, animations, transparency", f"{FOLDER} data_dir=images/kinds"),
    ("unicode and spaces in paths", f"{FOLDER} \"data_dir='images/größe 漢字'\" \"hydra.run.dir='new/é 1'\""),
    (
        "brackets, =, commas and spaces",
        f"{FOLDER} 'data_dir=images/my (1) [a],b=2' 'hydra.run.dir=new/a=1, b'",
    ),
    ("the same without quotes inside", f"{FOLDER} data_dir='images/größe 漢字' hydra.run.dir='new/é 1'"),
    ("a checkpoint there", "sample.py \"checkpoint='läufe/der erste'\" out='new/bilder 漢字'"),
    ("a number for a folder", "sample.py hydra.run.dir=new out=4"),
    ("a seed of 63 bits", "sample.py seed=9223372036854775807"),
    ("a batch larger than all images", "sample.py batch_size=1000000000"),
    (
        "samples and data with unicode in their paths",
        "evaluate.py \"samples='läufe/bilder ü.npz'\" metrics=[colours]",
    ),
]
"""Odd input that is none the worse for it."""

SMALL = {
    "train.py": "trainer.max_epochs=1 trainer.limit_train_batches=1 network.width=8 hydra.run.dir=new",
    "sample.py": "checkpoint=run out=new",
    "evaluate.py": "checkpoint=run out=new",
    "diffusion_lightning/push.py": "checkpoint=run repo=me/digits dry_run=true num_images=2 out=new",
    "diffusion_lightning/export.py": "checkpoint=run out=new",
    "diffusion_lightning/import_weights.py": "out=new/imported.ckpt",
    "diffusion_lightning/report.py": "",
    "diffusion_lightning/playground.py": "checkpoint=run",
}
"""What stands before the arguments of a case, which win."""


def arguments(command):
    script, *own = shlex.split(command)
    given = {argument.partition("=")[0] for argument in own}
    return [script, *(a for a in SMALL[script].split() if a.partition("=")[0] not in given), *own]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a run, samples, and everything bad."""
    folder = tmp_path_factory.mktemp("bad input")
    (folder / "file.txt").write_text("hello")
    options = "experiment=digits_cfg sampler.steps=2 callbacks.sample_grid.num_images=2"
    options += " network.channel_mults=[1] network.attention_resolutions=[]"
    done(f"train.py {options} \"hydra.run.dir='läufe/der erste'\"", folder)
    shutil.copytree(folder / "läufe" / "der erste", folder / "run")
    done("sample.py out=samples num_images=3 sampler.steps=2", folder)
    shutil.copy(folder / "samples" / "samples.npz", folder / "läufe" / "bilder ü.npz")
    (folder / "bad").mkdir()
    bad_checkpoints(folder / "bad", folder / "run" / "checkpoints" / "last.ckpt")
    bad_samples(folder / "bad", folder / "samples" / "samples.npz")
    bad_records(folder / "bad")
    done("diffusion_lightning/export.py labels=3 out=theirs", folder)
    (folder / "bad" / "edm.pkl").write_bytes(pickle.dumps(Code()))
    save_file({"some.weight": torch.zeros(1)}, folder / "bad" / "tensors.safetensors")
    images(folder / "images")
    return folder


def done(command, folder):
    finished = run_here(*arguments(command), cwd=folder)
    assert finished.returncode == 0, finished.stderr
    return finished


class Code:
    def __reduce__(self):
        return print, ("executed",)


def bad_checkpoints(folder, good):
    data = good.read_bytes()
    (folder / "empty.ckpt").write_bytes(b"")
    (folder / "half.ckpt").write_bytes(data[: len(data) // 2])
    (folder / "damaged.ckpt").write_bytes(data.replace(b"hyper_parameters", b"hyper_parameter\x80"))
    (folder / "text.ckpt").write_text("hello")
    with zipfile.ZipFile(folder / "zip.ckpt", "w") as file:
        file.writestr("a", "b")
    torch.save({"x": Code()}, folder / "code.ckpt")
    shipped = found("digits").read_bytes()
    (folder / "half.safetensors").write_bytes(shipped[: len(shipped) // 2])
    (folder / "changed.safetensors").write_bytes(shipped[:-2] + b"\x00\x3c")
    later = shipped.replace(f'\\"format\\": {FORMAT}'.encode(), b'\\"format\\": 9')
    (folder / "later.safetensors").write_bytes(later)
    save_file({"w": torch.zeros(1)}, folder / "other.safetensors")
    torch.save({"state_dict": {}, "model": 3}, folder / "foreign.ckpt")
    torch.save([1, 2], folder / "list.ckpt")

    def changed(name, change):
        checkpoint = torch.load(good, weights_only=True)
        change(checkpoint, checkpoint["hyper_parameters"], checkpoint["state_dict"])
        torch.save(checkpoint, folder / f"{name}.ckpt")

    changed("config", lambda c, config, w: c.update(hyper_parameters=[1, 2]))
    changed("network", lambda c, config, w: config.pop("network"))
    changed("texts", lambda c, config, w: w.update({name: "text" for name in w}))
    changed("width", lambda c, config, w: config["network"].update(width=16))
    changed("missing", lambda c, config, w: w.pop("denoiser.network.head.bias"))
    changed("nan", lambda c, config, w: w["denoiser.network.head.bias"].fill_(torch.nan))
    changed("type", lambda c, config, w: config["network"].update(width="wide"))
    changed("argument", lambda c, config, w: config["network"].update(colour=3))
    changed("class", lambda c, config, w: config["network"].update(_target_="diffusion_lightning.Nothing"))
    changed("target", lambda c, config, w: config.update(network={"_target_": "os.system"}))
    changed(
        "kind",
        lambda c, config, w: config["network"].update(_target_="diffusion_lightning.diffusion.clamp.Static"),
    )
    changed("shape", lambda c, config, w: config["dataset"].update(image_size=16))
    changed("groups", lambda c, config, w: config["network"].update(norm_groups=None))
    changed("edm", lambda c, config, w: config["parameterization"].update(_target_="diffusion_lightning.EDM"))
    changed("secret", lambda c, config, w: config["dataset"].update(data_dir="${oc.env:HOME}"))


def bad_samples(folder, good):
    (folder / "empty.npz").write_bytes(b"")
    (folder / "half.npz").write_bytes(good.read_bytes()[:200])
    np.savez(folder / "objects.npz", np.array([{}], dtype=object))
    np.savez(folder / "size.npz", np.zeros((3, 9, 8, 1), np.uint8))
    np.savez(folder / "type.npz", np.zeros((3, 8, 8, 1)))
    np.savez(folder / "none.npz", np.zeros((0, 8, 8, 1), np.uint8))
    np.savez(folder / "single.npz", np.zeros((1, 8, 8, 1), np.uint8))
    np.savez(folder / "labels.npz", np.zeros((2, 8, 8, 1), np.uint8), np.array([0, 11]))


def bad_records(folder):
    for name, file, text in (
        ("evaluation", "evaluation.json", '{"asked": '),
        ("other", "evaluation.json", '{"asked": {}}'),
        ("metrics", "metrics.csv", "step,val/loss\n1,half\n"),
    ):
        (folder / name).mkdir()
        (folder / name / file).write_text(text)


def images(folder):
    def save(name, size=(8, 8), mode="RGB", **options):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, 0).save(path, **options)
        return path

    (folder / "none").mkdir(parents=True)
    for name in (
        "one/1.png",
        "my (1) [a],b=2/1.png",
        "größe 漢字/日 1.png",
        "mixed/1.png",
        "mixed/cat/1.png",
        "half/train/1.png",
    ):
        save(name, (9, 7))
    for name in (
        "doubtful/train/1.png",
        "doubtful/cat/2.png",
        "nested/in/Train/1.png",
        "nested/in/val/2.png",
    ):
        save(name)
    for name, rows in (("table", "1.png,a\n2.png,b"), ("rows", "1.png,a")):
        save(f"{name}/1.png")
        (folder / name / "metadata.csv").write_text(f"file_name,label\n{rows}\n")
    save("rows/2.png")
    (folder / "float").mkdir()
    Image.fromarray(np.full((2, 2), 0.5, np.float32)).save(folder / "float" / "bad.tiff")
    save("cifar10/train/cat/1.png")
    save("cifar10/test/cat/1.png")
    save("other/train/cat/1.png")
    save("other/test/dog/1.png")
    save("dots/1.png", (1, 1))
    save("dots/2.png", (1, 1))
    for mode, name in (("I;16", "16.png"), ("P", "p.png"), ("P", "p.gif"), ("CMYK", "c.jpg"), ("1", "1.png")):
        save(f"kinds/{name}", mode=mode)
    for mode in ("LA", "RGBA"):
        save(f"kinds/{mode}.png", mode=mode)
    save("kinds/animated.gif", save_all=True, append_images=[Image.new("RGB", (8, 8), 9)])
    good = save("one/1.png", (9, 7)).read_bytes()
    header = good[:16] + struct.pack(">II", 30_000, 30_000) + good[24:]
    for name, content in (("empty", b""), ("truncated", good[:40]), ("text", b"hello"), ("bomb", header)):
        (folder / name).mkdir()
        (folder / name / "bad.png").write_bytes(content)
    (folder / "link").mkdir()
    (folder / "link" / "bad.png").symlink_to("nowhere.png")
    (folder / "deep").mkdir()
    Image.fromarray(np.full((2, 2), 70_000, np.int32)).save(folder / "deep" / "bad.tiff")


def contents(folder):
    """Everything in the folder, but for what a command makes anew."""
    files = (os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)
    found = {file: os.lstat(file) for file in files if not file.startswith(f"{folder}/new/")}
    return {file: (entry.st_size, entry.st_mtime_ns) for file, entry in found.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.command)
def test_bad_input_is_one_clear_line_and_costs_nothing(case, here):
    shutil.rmtree(here / "new", ignore_errors=True)
    before = contents(here)
    refused = run_here(*arguments(case.command), cwd=here)
    shown = refused.stdout + refused.stderr
    assert refused.returncode not in (0, None), shown
    assert "Traceback" not in shown
    (line,) = (line for line in shown.splitlines() if "error:" in line)
    assert line == shown.splitlines()[-1] and case.message in line, shown
    assert contents(here) == before
    made = {path.name for path in (here / "new").rglob("*")} if (here / "new").exists() else set()
    assert not made & {"checkpoints", "metrics.csv", "samples.npz", "evaluation.json"}


@pytest.mark.parametrize(("about", "command"), ODD, ids=lambda text: text)
def test_odd_input_works(about, command, here):
    shutil.rmtree(here / "new", ignore_errors=True)
    done(command if "samples=" in command else f"{command} sampler.steps=2", here)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.slow] * (case is not TRAINING[0]), id=case.command)
        for case in (COMMAND_LINE[6], TRAINING[0], CHECKPOINTS[4])
    ],
)
def test_a_process_of_its_own_says_the_same(case, here):
    shutil.rmtree(here / "new", ignore_errors=True)
    script, *own = arguments(case.command)
    inside, outside = run_here(script, *own, cwd=here), run(script, *own, cwd=here)
    assert outside.returncode == inside.returncode != 0
    assert outside.stderr == inside.stderr and case.message in outside.stderr


def table():
    """The section of docs/reliability.md."""
    rows = [f"| {c.about} | `{c.command}` | {c.message} |" for c in CASES]
    odd = [f"| {about} | `{command}` |" for about, command in ODD]
    return "\n".join(
        [
            BEGIN,
            f"{len(CASES)} bad inputs, each refused in one line:\n",
            "| what is wrong | command | in its line |\n|---|---|---|",
            *(row.replace("\\", "") for row in rows),
            f"\n{len(odd)} odd ones that are none the worse for it:\n",
            "| what is odd | command |\n|---|---|",
            *odd,
            END,
        ]
    )


def test_the_table_is_in_the_documentation():
    assert table() in DOC.read_text()


def write_table():
    before, _, rest = DOC.read_text().partition(BEGIN)
    DOC.write_text(before + table() + rest.partition(END)[2])


if __name__ == "__main__":
    write_table()
