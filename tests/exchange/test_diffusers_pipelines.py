"""diffusers' pipelines draw from an exported folder what we draw."""

import pytest
import torch
from diffusers import DDIMPipeline, DDPMPipeline, DiffusionPipeline

import diffusion_lightning as dl
from tests.exchange.models import exported, network

MODELS = {
    "eps": {},
    "x0": {"parameterization": dl.X0(), "clamp": dl.Dynamic(0.9)},
    "v": {"parameterization": dl.V(), "clamp": dl.NoClamp()},
    "cosine": {"schedule": dl.Cosine(), "parameterization": dl.V()},
    "another s": {"schedule": dl.Cosine(T=500, s=0.02), "parameterization": dl.V()},
    "T = 200": {"schedule": dl.Linear(T=200), "parameterization": dl.X0()},
    "T = 20": {"schedule": dl.Linear(T=20), "parameterization": dl.V()},
}
STEPS = 10


class EveryTime(dl.Uniform):
    """The uniform grid from t = 1, also where the schedule has more noise there than our walks start from."""

    def __call__(self, schedule, steps, t_start=1.0):
        return [i / steps for i in range(steps, 0, -1)]


def folder_of(tmp_path, model):
    dl.DiffusersFormat()(model, tmp_path)
    return tmp_path


def model(name, **options):
    # A network that is nearly the truth for data of 0 keeps a walk of any parameterization within images
    return exported(
        network(num_classes=0), label=0, guidance=dl.Guidance(1.0, 0.0), **MODELS[name], **options
    )


def pixels(images):
    return dl.to_uint8(images).int()


def ours(made, noise, sampler, y=None):
    walk = dl.SamplingModel(made.denoiser, made.sampling.guidance, made.sampling.clamp, y)
    return sampler(walk, noise)


@pytest.mark.parametrize("name", MODELS)
def test_ddim_draws_the_same_images(name, tmp_path):
    made = model(name)
    pipe = DDIMPipeline.from_pretrained(folder_of(tmp_path, made))
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        4,
        torch.Generator().manual_seed(5),
        num_inference_steps=STEPS,
        use_clipped_model_output=True,
        output_type="pt",
    ).images
    noise = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    images = ours(made, noise, dl.DDIM(STEPS, grid=EveryTime()))
    assert images.std() > 0.1
    assert (pixels(images) - pixels(2 * theirs - 1)).abs().max() <= 1


@pytest.mark.parametrize("variance", ["posterior", "beta"])
@pytest.mark.parametrize("name", MODELS)
def test_ddpm_has_the_same_posterior(name, variance, tmp_path):
    made = model(name, sampler=dl.DDPM(variance=variance))
    pipe = DDPMPipeline.from_pretrained(folder_of(tmp_path, made))
    schedule, sampler = made.denoiser.schedule, made.sampling.sampler
    pipe.scheduler.set_timesteps(schedule.T)
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    walk = dl.SamplingModel(made.denoiser, made.sampling.guidance, made.sampling.clamp)
    none, one = (lambda: torch.zeros_like(x)), (lambda: torch.ones_like(x))
    times = [i for i in range(schedule.T, 1, -1) if i % (schedule.T // 10) == 0 or i == 2]
    for i in times:
        levels = schedule.levels([i / schedule.T, (i - 1) / schedule.T])
        with torch.no_grad():
            p = walk(x, levels[0])
            mean = sampler.step(walk, p, levels[1], none, [])
            spread = (sampler.step(walk, p, levels[1], one, []) - mean).mean()
            output = pipe.unet(x, i - 1).sample
        step = pipe.scheduler.step(output, i - 1, x, generator=torch.Generator().manual_seed(i))
        z = torch.randn(x.shape, generator=torch.Generator().manual_seed(i))
        torch.testing.assert_close(step.prev_sample - spread * z, mean, rtol=2e-3, atol=2e-3)
        x = mean / mean.std()


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_the_guided_pipeline_draws_what_guided_ddim_draws(scale, tmp_path):
    made = exported(network(), parameterization=dl.V(), guidance=dl.Guidance(0.1, scale))
    folder = folder_of(tmp_path, made)
    pipe = DiffusionPipeline.from_pretrained(folder, custom_pipeline="pipeline", trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    y, options = [3, 0, 9], {"num_inference_steps": STEPS, "output_type": "pt"}
    theirs = pipe(y, generator=torch.Generator().manual_seed(2), **options).images
    noise = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    images = ours(made, noise, dl.DDIM(STEPS), torch.tensor(y))
    assert images.std() > 0.1
    assert (pixels(images) - pixels(2 * theirs - 1)).abs().max() <= 1


def test_a_conditional_models_pipeline_does_not_guide(tmp_path):
    folder = folder_of(tmp_path, exported(network(), guidance=dl.Guidance(0.0, 1.0)))
    pipe = DiffusionPipeline.from_pretrained(folder, custom_pipeline="pipeline", trust_remote_code=True)
    with pytest.raises(ValueError, match="never learned a null label"):
        pipe([0], guidance_scale=2.0)
