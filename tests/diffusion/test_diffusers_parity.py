"""Step by step against diffusers' schedulers, whose index i is our t = (i + 1)/T.

Their tables are float32, good to about 1e-5, so the walks are compared on the float64 table that
`test_schedules` works out for itself.
"""

from dataclasses import dataclass

import pytest
import torch

from diffusion_lightning.diffusion.clamp import NoClamp, Static
from diffusion_lightning.diffusion.grids import Karras, LogSNR, Uniform
from diffusion_lightning.diffusion.parameterizations import Eps
from diffusion_lightning.diffusion.samplers import DDIM, DDPM, DPMSolverPP, Heun
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from tests.support.oracles import Oracle, normal, sampling_model, table_of_alpha_bar

diffusers = pytest.importorskip("diffusers")

SCHEDULES = {"linear": Linear(), "squaredcos_cap_v2": Cosine()}


class Peer(Oracle):
    """A made-up network's ε, smooth in x and t, for both sides."""

    @staticmethod
    def eps(x_t, t):
        return torch.tanh(x_t * (0.5 + t)) + 0.1 * t

    def x0(self, x_t, t, y):
        t = self.level(t)
        return Eps().x0(self.eps(x_t, t.t), x_t, t.alpha, t.sigma)


@dataclass(frozen=True)
class Trailing(Uniform):
    """From t = 1 on, as diffusers walks, under the cosine schedule too."""

    def __call__(self, schedule, steps, t_start=1.0):
        return [i / steps for i in range(steps, 0, -1)]


def compare(ours, theirs, name, steps, clip, **kwargs):
    draws = [normal(2, 3, 4, 4, seed=i) for i in range(1, steps)]
    walk, rest = [], iter(draws)
    model = sampling_model(Peer(SCHEDULES[name]), Static() if clip else NoClamp())
    x = normal(2, 3, 4, 4)
    last = ours(model, x, noise=lambda: next(rest), callback=lambda i, t, p: walk.append(p.x_t.clone()))
    table = table_of_alpha_bar(type(model.schedule), 1000)[1:]
    torch.testing.assert_close(theirs.alphas_cumprod.double(), table, rtol=0, atol=1e-5)
    theirs.alphas_cumprod = table
    theirs.set_timesteps(steps)
    x_t = x
    for i, index in enumerate(theirs.timesteps.tolist()):
        torch.testing.assert_close(walk[i], x_t, rtol=1e-10, atol=1e-10)
        eps = Peer.eps(x_t, (index + 1) / 1000)
        extra = kwargs | ({"variance_noise": draws[i]} if "eta" in kwargs and i < steps - 1 else {})
        if not extra.get("eta"):
            extra.pop("variance_noise", None)
        x_t = theirs.step(eps, index, x_t, **extra).prev_sample
    torch.testing.assert_close(last, x_t, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [10, 50])
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_ddim(name, steps, clip, eta):
    theirs = diffusers.DDIMScheduler(
        beta_schedule=name, clip_sample=clip, timestep_spacing="trailing", set_alpha_to_one=True
    )
    # Its last step, to ᾱ = 1, adds no noise: the variance there is 0.
    compare(
        DDIM(steps, eta, grid=Trailing()), theirs, name, steps, clip, eta=eta, use_clipped_model_output=True
    )


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [50, 1000])
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("variance", ["posterior", "beta"])
def test_ddpm(name, steps, clip, variance, monkeypatch):
    theirs = diffusers.DDPMScheduler(
        beta_schedule=name,
        variance_type={"posterior": "fixed_small", "beta": "fixed_large"}[variance],
        clip_sample=clip,
        timestep_spacing="trailing",
    )
    # With fixed_large it adds noise even to its last step, to x0; we end with x0 itself.
    draws = iter([normal(2, 3, 4, 4, seed=i) for i in range(1, steps)] + [torch.zeros(())])
    monkeypatch.setattr(
        "diffusers.schedulers.scheduling_ddpm.randn_tensor",
        lambda *_, **__: next(draws),
    )
    compare(DDPM(steps, variance, grid=Trailing()), theirs, name, steps, clip)


def our_walk(sampler, model, draws=()):
    """Times of the grid, x_t at each, and the image."""
    times, walk, rest = [], [], iter(draws)

    def callback(i, t, prediction):
        times.append(t)
        walk.append(prediction.x_t.clone())

    x = normal(2, 3, 4, 4)
    last = sampler(model, x, noise=lambda: next(rest), callback=callback)
    kappa = [float(torch.exp(-model.schedule.lam(t))) for t in times] + [0.0]
    return times, [*walk, last], torch.tensor(kappa, dtype=torch.float64)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("grid", [Uniform(), LogSNR(), Karras()])
@pytest.mark.parametrize("steps", [10, 50])
@pytest.mark.parametrize("sde", [False, True])
def test_dpm_solver_pp_2m(name, grid, steps, sde):
    """Its default solver, "midpoint", on our times, in its float32; it too ends with the last x0."""
    draws = [normal(2, 3, 4, 4, seed=i) for i in range(1, steps)]
    model = sampling_model(Peer(SCHEDULES[name]))
    times, walk, kappa = our_walk(DPMSolverPP(steps, sde=sde, grid=grid), model, draws)
    theirs = diffusers.DPMSolverMultistepScheduler(
        algorithm_type="sde-dpmsolver++" if sde else "dpmsolver++", final_sigmas_type="zero"
    )
    theirs.set_timesteps(steps)
    theirs.set_begin_index(0)
    theirs.sigmas = kappa
    x_t = walk[0]
    for i, (t, index) in enumerate(zip(times, theirs.timesteps, strict=True)):
        torch.testing.assert_close(walk[i], x_t, rtol=1e-4, atol=1e-4)
        noise = [*draws, torch.zeros_like(x_t)][i] if sde else None
        x_t = theirs.step(Peer.eps(x_t, t), index, x_t, variance_noise=noise).prev_sample.double()
    torch.testing.assert_close(walk[-1], x_t, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [10, 50])
def test_heun(name, steps):
    model = sampling_model(Peer(SCHEDULES[name]))
    times, walk, kappa = our_walk(Heun(steps, grid=Karras()), model)
    theirs = diffusers.HeunDiscreteScheduler()
    theirs.set_timesteps(steps)
    theirs.set_begin_index(0)
    theirs.sigmas = torch.cat([kappa[:1], kappa[1:-1].repeat_interleave(2), kappa[-1:]])
    # It walks in y = x/α; each time but the first and the last is looked at twice.
    looks = [times[0], *(t for t in times[1:] for _ in range(2))]
    y = walk[0] / model.schedule.alpha(times[0])
    for i, (t, index) in enumerate(zip(looks, theirs.timesteps, strict=True)):
        if i % 2 == 0:
            x_t = model.schedule.alpha(t) * y
            torch.testing.assert_close(walk[i // 2], x_t, rtol=1e-4, atol=1e-4)
        y = theirs.step(Peer.eps(model.schedule.alpha(t) * y, t), index, y).prev_sample.double()
    torch.testing.assert_close(walk[-1], y, rtol=1e-4, atol=1e-4)
