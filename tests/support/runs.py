"""Small trainings in this process and in others, and what they leave behind."""

import csv
import multiprocessing
import os
import socket
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Callback
from omegaconf import OmegaConf, open_dict

from diffusion_lightning.commands import train
from tests.support.command import ROOT, TINY
from tests.support.configs import composed
from tests.support.in_process import succeed_here

SMALL = [
    *TINY,
    "trainer.max_epochs=3",
    "trainer.limit_train_batches=6",
    "trainer.limit_val_batches=2",
    "trainer.log_every_n_steps=2",
    "trainer.enable_progress_bar=false",
    "sampler.steps=2",
    "callbacks.sample_grid.num_images=4",
    "callbacks.progress_bar=null",
    "callbacks.last.every_n_steps=2",
]


def train_in(folder, *options, callbacks=(), mode="RUN", small=SMALL):
    """`train.py` in this process: the value that it returns."""
    cfg = composed("train", *small, f"paths.run_dir={folder}", *options)
    cfg.hydra.mode = mode
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    OmegaConf.set_readonly(cfg, True)
    return train.train(cfg, callbacks)


# Processes that start with everything imported already
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.support.runs"])


def start(function, *args, **kwargs):
    process = PROCESSES.Process(target=function, args=args, kwargs=kwargs)
    before = Path.cwd()
    os.chdir(ROOT)  # where the first process's server finds the tests
    process.start()
    os.chdir(before)
    return process


def succeed_apart(script, *args, cwd):
    """`succeed` in a process of its own that need not import everything first."""
    ours, theirs = PROCESSES.Pipe()
    process = start(_tell, theirs, dict(os.environ), script, args, cwd)
    theirs.close()  # so that a process that dies ends the wait
    done = ours.recv()
    process.join()
    return done


def _tell(connection, environment, script, args, cwd):
    os.environ.update(environment)
    connection.send(succeed_here(script, *args, cwd=cwd))


def torchrun(rank, size):
    """What torchrun tells its processes."""
    world = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "GROUP_RANK": 0, "TORCHELASTIC_RUN_ID": "test"}
    return world | {"RANK": rank, "LOCAL_RANK": rank}


def srun(rank, size):
    """What SLURM's srun tells the processes of a job of one node."""
    job = {
        "SLURM_JOB_ID": 4711,
        "SLURM_JOB_NAME": "train",
        "SLURM_NTASKS": size,
        "SLURM_NTASKS_PER_NODE": size,
    }
    job |= {"SLURM_JOB_NUM_NODES": 1, "SLURM_NNODES": 1, "SLURM_NODELIST": "localhost", "SLURM_NODEID": 0}
    return job | {"SLURM_PROCID": rank, "SLURM_LOCALID": rank}


def start_world(size, function, *args, told=torchrun, **kwargs):
    """As many processes that find each other as if they were started together."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = {"MASTER_ADDR": "localhost", "MASTER_PORT": free.getsockname()[1]}
    return [start(_as_one_of, address | told(rank, size), function, *args, **kwargs) for rank in range(size)]


def _as_one_of(environment, function, *args, **kwargs):
    os.environ.update({name: str(value) for name, value in environment.items()})
    function(*args, **kwargs)


class Died(Exception):
    pass


class Watch(Callback):
    """Calls `then` at the n-th of the hooks of a run; `seen` are their names."""

    def __init__(self, n=0, then=lambda: None):
        self.n, self.then, self.seen = n, then, []


def _hook(name):
    def hook(self, trainer, *_):
        self.seen.append(f"{name} {trainer.global_step}")
        if len(self.seen) == self.n:
            self.then()

    return hook


for _name in (
    *("on_train_start", "on_train_epoch_start", "on_train_batch_start", "on_before_optimizer_step"),
    *("on_train_batch_end", "on_validation_start", "on_validation_batch_start", "on_validation_epoch_end"),
    *("on_validation_end", "on_train_epoch_end", "on_train_end", "on_fit_end"),
):
    setattr(Watch, _name, _hook(_name))


class WaitsOfBatches(Callback):
    """Divides what `tests.support.accelerator.Waits` saw among the batches of a training."""

    def __init__(self, mode):
        self.mode, self.starts = mode, []

    def on_train_batch_start(self, *_):
        self.starts.append(len(self.mode.seen))

    def of_batches(self):
        """What was read from the start of each batch to that of the next, or to the end of the run."""
        ends = [*self.starts[1:], None]
        return [self.mode.seen[start:end] for start, end in zip(self.starts, ends, strict=True)]


def left_behind(folder):
    """All that a run leaves behind but for the time that it took."""
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    checkpoint["loops"]["fit_loop"].pop("epoch_loop.val_loop.batch_progress")  # of past validations
    del checkpoint["hyper_parameters"]  # `resume` is among them
    return {
        "checkpoint": {k.replace(str(folder), ""): v for k, v in flat(checkpoint, str(folder)).items()},
        "metrics": history(folder),
        "checkpoints": sorted(path.name for path in (folder / "checkpoints").iterdir()),
        "grids": {path.name: path.read_bytes() for path in (folder / "samples").iterdir()},
    }


def history(folder):
    """The rows of metrics.csv without those columns that measure time."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if "second" not in k} for row in rows]


def flat(value, folder, name=""):
    """A nest of containers as name → bytes, number or text, the last without the folder's name."""
    if isinstance(value, torch.Tensor):
        return {name: (value.dtype, tuple(value.shape), value.contiguous().numpy().tobytes())}
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list | tuple)
        else None
    )
    if items is None:
        return {name: value.replace(folder, "") if isinstance(value, str) else value}
    return {k: v for key, item in items for k, v in flat(item, folder, f"{name}.{key}").items()}


def differences(one, other):
    """What differs between two runs' `left_behind`."""
    parts = [name for name in one if name != "checkpoint" and one[name] != other[name]]
    a, b = one["checkpoint"], other["checkpoint"]
    return parts + [name for name in a.keys() | b.keys() if a.get(name) != b.get(name)]
