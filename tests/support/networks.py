"""Small networks."""

import torch
from torch import nn


def perturb(net, by=0.05):
    with torch.no_grad():  # the output convolution starts at zero
        for p in net.parameters():
            p.add_(by * torch.randn_like(p))
    return net


class LabelValues(nn.Module):
    """Predicts the label's value everywhere; counts its calls."""

    num_classes = 3

    def __init__(self):
        super().__init__()
        self.values = torch.tensor([0.1, 0.2, 0.4, -0.3])
        self.batches = []

    def forward(self, x_t, time, y):
        self.batches.append(len(x_t))
        return self.values[y].view(-1, 1, 1, 1) * torch.ones_like(x_t)
