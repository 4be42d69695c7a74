"""Callbacks that end their own process, for tests that start one."""

import os
import signal

import torch
from lightning.pytorch import Callback


class KillWhileSaving(Callback):
    """Kills the process when half of its n-th checkpoint is written."""

    def __init__(self, n):
        self.left = n
        self.save = torch.save

    def on_fit_start(self, trainer, pl_module):
        torch.save = self

    def __call__(self, value, file):
        self.save(value, file)
        self.left -= 1
        if self.left == 0:
            file.truncate(file.tell() // 2)
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)


class FailOnRank(Callback):
    """Fails in one process only."""

    def __init__(self, rank, step):
        self.rank, self.step = rank, step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_rank == self.rank and trainer.global_step == self.step:
            raise RuntimeError("this process has a bad day")
