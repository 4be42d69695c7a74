import torch
from torch import nn

from diffusion_lightning.networks import UNet
from diffusion_lightning.networks.base import Staged


def test_the_stages_are_called_in_their_order_and_hold_nothing_twice():
    net, called = UNet(1, 8, 3, 8, (1, 2), 1, (4,)), []
    assert isinstance(net, Staged) and not isinstance(nn.Conv2d(1, 1, 1), Staged)
    for stage in net.stages():
        stage.register_forward_hook(lambda stage, *_: called.append(stage))
    net(torch.zeros(1, 1, 8, 8), torch.ones(1), torch.zeros(1).long())
    assert called == list(net.stages())
    parameters = [p for stage in net.stages() for p in stage.parameters()]
    assert len(set(parameters)) == len(parameters)
    # Outside of the stages are the embedding, the stem and the head alone
    outside = {name.split(".")[0] for name, p in net.named_parameters() if p not in set(parameters)}
    assert outside == {"embedding", "stem", "head_norm", "head"}
