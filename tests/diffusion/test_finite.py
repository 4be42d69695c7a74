"""A walk that overflows ends with the step at which it did, whatever the sampler and behind any clamp."""

import math

import pytest
import torch

from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.diffusion.clamp import Clamp, KnownPixels, NoClamp, Static
from diffusion_lightning.diffusion.finite import TOGETHER, FiniteWatch
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.interpolation import invert
from diffusion_lightning.diffusion.likelihood.flow_likelihood import FlowLikelihood
from diffusion_lightning.diffusion.likelihood.variational_bound import variational_bound
from diffusion_lightning.diffusion.samplers import DDIM, DDPM
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.schedules import Linear
from diffusion_lightning.errors import NotFinite
from tests.support.configs import composed, names
from tests.support.oracles import GaussianOracle, normal, sampling_model


class Breaks(GaussianOracle):
    """One pixel of one image is not finite at one time, or wherever that is passed."""

    def __init__(self, t, value, exactly=True):
        super().__init__(Linear())
        self.t, self.value, self.exactly = t, value, exactly

    def x0(self, x_t, t, y):
        x0 = super().x0(x_t, t, y)
        if t.t == self.t if self.exactly else t.t <= self.t:
            x0[1, 0, 0, 3] = self.value
        return x0


def clamps():
    known = KnownPixels(Static(), torch.zeros(2, 1, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool))
    return [*(instantiate(composed("sample", f"clamp={name}").clamp) for name in names("clamp")), known]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1e7])
@pytest.mark.parametrize("name", names("sampler"))
def test_the_message_names_sampler_step_time_and_what(name, value):
    sampler = instantiate(composed("sample", f"sampler={name}", "sampler.steps=6").sampler)
    times = sampler.grid(Linear(), 6)
    for step in (0, 3, 5):
        seen = []
        with pytest.raises(NotFinite) as caught:
            model = sampling_model(Breaks(times[step], value), Static())
            sampler(model, normal(2, 1, 4, 4), callback=lambda i, *_: seen.append(i))
        state = "has diverged" if math.isfinite(value) else "is not finite any more"
        start = f"{type(sampler).__name__}, step {step + 1} of 6, t = {times[step]:.4g}: x0 {state} (it"
        assert str(caught.value).startswith(start) and "\n" not in str(caught.value)
        assert seen == list(range(step))  # nobody is shown what is not finite


@pytest.mark.parametrize("clamp", clamps(), ids=repr)
def test_no_clamp_makes_an_image_of_it(clamp):
    for step in range(4):
        t = DDPM(4).grid(Linear(), 4)[step]
        with pytest.raises(NotFinite, match=f"DDPM, step {step + 1} of 4, .* x0 is not finite"):
            DDPM(4)(sampling_model(Breaks(t, math.inf), clamp), normal(2, 1, 4, 4))


class Spoils(Clamp):
    """A clamp that divides by nothing."""

    def __call__(self, x0):
        return x0 / 0


@pytest.mark.parametrize(("steps", "what"), [(1, "image"), (5, "x_t")])
def test_what_a_clamp_spoils_is_found_too(steps, what):
    with pytest.raises(NotFinite, match=f"{what} is not finite"):
        DDIM(steps)(sampling_model(GaussianOracle(Linear()), Spoils()), normal(2, 1, 4, 4))


def test_a_start_that_is_not_finite_is_found_at_the_first_step():
    x = normal(2, 1, 4, 4)
    x[0, 0, 0, 0] = math.nan
    with pytest.raises(NotFinite, match=r"DDIM, step 1 of 50, t = 1: x_t is not finite"):
        DDIM()(sampling_model(GaussianOracle(Linear()), Static()), x)


class TwoLabels(GaussianOracle):
    """E[x0 | x_t] for one label, another constant for the null label."""

    def x0(self, x_t, t, y):
        x0 = super().x0(x_t, t, y)
        return x0 if y is None else torch.where(y.view(-1, 1, 1, 1) == 0, -x0, x0)


def test_guidance_that_overflows():
    model = SamplingModel(TwoLabels(Linear()), Guidance(0.1, 1e38), NoClamp(), torch.tensor([1, 1]))
    with pytest.raises(NotFinite, match=r"DDIM, step \d+ of 50, t = .*: x"):
        DDIM()(model, 10 * normal(2, 1, 4, 4, dtype=torch.float32))


@pytest.mark.parametrize("step", [0, 4, 9])
def test_inversion_and_likelihoods_say_so_too(step):
    times = DDIM(10).grid(Linear(), 10)
    pixels = torch.full((2, 1, 4, 4), 100, dtype=torch.uint8)
    model, t = sampling_model(Breaks(times[step], math.nan)), f"t = {times[step]:.4g}: x0"
    with pytest.raises(NotFinite, match=f"inversion, step {10 - step} of 10, {t}"):
        invert(model, normal(2, 1, 4, 4), DDIM(10))
    with pytest.raises(NotFinite, match=f"variational bound, step {step + 1} of 10, {t}"):
        variational_bound(model, pixels, lambda: normal(2, 1, 4, 4), times)
    late = sampling_model(Breaks(times[step], math.nan, exactly=False))
    with pytest.raises(NotFinite, match="flow's likelihood, step 1 of 10"):
        FlowLikelihood(10).bits_per_dim(late, pixels, lambda: normal(2, 1, 4, 4))


def test_a_gpu_is_asked_from_time_to_time_and_in_the_end(monkeypatch):
    """A device that pretends not to be the CPU: reading one number of it is counted."""
    reads = []
    stack = torch.stack
    monkeypatch.setattr(
        "diffusion_lightning.diffusion.finite.torch.stack", lambda x: reads.append(1) or stack(x)
    )
    watch, times = FiniteWatch(), [1 - i / 1000 for i in range(1000)]
    monkeypatch.setattr(torch.Tensor, "device", property(lambda self: torch.device("cuda")))
    for t in times:
        watch.see(t, x_t=torch.ones(2), x0=torch.ones(2))
        watch.check("DDIM", times)
    watch.check("DDIM", times, last=True)
    assert len(reads) == 1000 / TOGETHER
    for t in times[:40]:
        watch.see(t, x0=torch.tensor([1.0, math.inf if t < 0.99 else 1.0]))
        watch.check("DDIM", times)
    with pytest.raises(
        NotFinite, match=r"step 12 of 1000, t = 0.989: x0 is not finite any more \(it holds inf\)"
    ):
        watch.check("DDIM", times, last=True)
