import math

import torch

from diffusion_lightning.training.loss_by_time import LossByTime


def test_loss_by_time_is_the_mean_of_each_quarter():
    metric = LossByTime()
    metric.update(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.001, 0.25, 0.26]))
    metric.update(torch.tensor([8.0]), torch.tensor([1.0]))
    quarters, mean = metric.compute()
    assert quarters[:2].tolist() == [1.5, 4.0] and quarters[3] == 8 and math.isnan(quarters[2])
    assert mean == 3.75
