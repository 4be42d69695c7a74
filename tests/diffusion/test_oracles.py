"""Every sampler × schedule × parameterization against distributions known in closed form."""

import pytest
import torch

from diffusion_lightning.diffusion.grids import Karras, LogSNR
from diffusion_lightning.diffusion.parameterizations import EDM, X0, Eps, V
from diffusion_lightning.diffusion.samplers import (
    DDIM,
    DDPM,
    DEIS,
    DPMSolverPP,
    Heun,
    Langevin,
    NoStep,
    PredictorCorrector,
    Resample,
)
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from tests.support.oracles import (
    GaussianOracle,
    MixtureOracle,
    errors_at,
    normal,
    sampling_model,
    slope,
    through_a_network,
)

QUICK = {(Linear(), Eps(), "image"), (Cosine(), V(), "points")}
SETTINGS = pytest.mark.parametrize(
    ("schedule", "p", "shape"),
    [
        pytest.param(
            *setting,
            id="-".join(part if isinstance(part, str) else type(part).__name__ for part in setting),
            marks=[pytest.mark.slow] * (setting not in QUICK),
        )
        for setting in (
            (schedule, *rest)
            for schedule in (Linear(), Cosine())
            for rest in (
                *((Eps(), "image"), (V(), "points"), (X0(), "image"), (V(), "image"), (EDM(), "image")),
            )
        )
    ],
)


def corrected(predictor, corrector, n, steps, **grid):
    return PredictorCorrector(steps, predictor=predictor, corrector=corrector, n_corrections=n, **grid)


ORDERS = {
    "DDIM": (1, lambda n, grid: DDIM(n, grid=grid)),
    "Heun": (2, lambda n, grid: Heun(n, grid=grid)),
    "PC without corrections": (2, lambda n, grid: corrected(Heun(), Langevin(), 0, n, grid=grid)),
    **{f"DPM-Solver++ {k}M": (k, lambda n, grid, k=k: DPMSolverPP(n, k, grid=grid)) for k in (1, 2, 3)},
    **{f"DEIS {k}": (k, lambda n, grid, k=k: DEIS(n, k, grid=grid)) for k in (1, 2, 3)},
}


@SETTINGS
@pytest.mark.parametrize("grid", [Karras(), LogSNR()], ids=lambda g: type(g).__name__)
@pytest.mark.parametrize("name", ORDERS)
def test_deterministic_samplers_converge_to_the_probability_flow(name, grid, schedule, p, shape):
    order, sampler = ORDERS[name]
    if order == 3 and name.startswith("DPM") and isinstance(grid, LogSNR):
        order = 4  # of a Gaussian, while the next term of the error outweighs its small leading one
    oracle = GaussianOracle(schedule)
    denoiser = through_a_network(oracle, p)
    of_one = {"image": (1, 4, 4), "points": (2,)}[shape]
    errors = errors_at(lambda n: sampler(n, grid), oracle, denoiser, (40, 80, 160), of_one)
    assert slope(errors) == pytest.approx(order, abs=0.2)
    assert errors[-1] < 0.05


STOCHASTIC = {
    "DDPM": DDPM(250),
    "DDPM, variance β": DDPM(250, "beta"),
    "DDIM, η = 0.5": DDIM(250, 0.5),
    "DDIM, η = 1": DDIM(250, 1.0),
    "Heun, churn 0.2": Heun(100, 0.2, grid=Karras()),
    "Heun, churn 0.41": Heun(100, 0.41, grid=Karras()),
    "DPM-Solver++ 2M, SDE": DPMSolverPP(100, 2, sde=True, grid=LogSNR()),
    "DPM-Solver++ 3M, SDE": DPMSolverPP(100, 3, sde=True, grid=LogSNR()),
    "predictor-corrector": corrected(DDPM(), Langevin(), 1, 200),
    "predictor-corrector of the ODE": corrected(DDIM(), Langevin(), 2, 100),
    "Langevin": corrected(NoStep(), Langevin(0.3), 20, 50, grid=LogSNR()),
    "resampling": corrected(DDPM(), Resample(), 2, 150),
}


@SETTINGS
@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_samplers_draw_a_mixture(name, schedule, p, shape):
    """Mean, covariance and mode weights within sampling error."""
    oracle = MixtureOracle(schedule, shape={"image": (2, 1, 1), "points": (2,)}[shape])
    torch.manual_seed(0)
    x = STOCHASTIC[name](sampling_model(through_a_network(oracle, p)), normal(10_000, *oracle.shape))
    assert oracle.deviations(x) < 4.5
