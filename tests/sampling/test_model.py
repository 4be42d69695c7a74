"""The model that `dl.load` returns, against a closed form; and that it needs no framework."""

import math

import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from tests.support.class_gaussians import MEANS, STD, gaussians, noise


def flow(z, means, t_1):
    """The x0 predicted at t_1 where the exact probability flow carries latents z at t = 1."""
    schedule, means = dl.Cosine(), torch.tensor(means).view(-1, 1, 1, 1)

    def scale(t):
        return (schedule.alpha(t) ** 2 * STD**2 + schedule.sigma(t) ** 2).sqrt()

    x = schedule.alpha(t_1) * means + scale(t_1) / scale(1.0) * (z - schedule.alpha(1.0) * means)
    gain = schedule.alpha(t_1) * STD**2 / scale(t_1) ** 2
    return means + gain * (x - schedule.alpha(t_1) * means)


FINE = {"sampler": dl.DDIM(400), "clamp": dl.NoClamp(), "progress": False}


def test_samples_are_where_the_flow_carries_the_noise():
    images = gaussians().sample([0, 1], 6, seed=3, **FINE)
    torch.testing.assert_close(images, flow(noise(6, 3), MEANS[:2] * 3, 1 / 400).float(), rtol=0, atol=5e-3)
    unconditional = gaussians().sample(num_images=6, seed=3, guidance=0, **FINE)
    torch.testing.assert_close(
        unconditional, flow(noise(6, 3), MEANS[2:], 1 / 400).float(), rtol=0, atol=5e-3
    )


def test_inversion_is_the_flow_backwards_and_sampling_leads_back():
    model, z = gaussians(), noise(4)
    images = flow(z, MEANS[:2] * 2, 1 / 400).float()
    latents = model.invert(images, [0, 1], **FINE)
    torch.testing.assert_close(latents, z, rtol=0, atol=0.05)
    torch.testing.assert_close(model.invert(images, [0, 1], batch_size=3, **FINE), latents, rtol=0, atol=1e-5)
    again = model.sample([0, 1], latents=latents, **FINE)
    torch.testing.assert_close(again, images, rtol=0, atol=1e-4)


def test_without_labels_real_images_are_inverted_without_a_class():
    model, images = gaussians(), flow(noise(4), MEANS[2:], 1 / 400).float()
    for guidance in 0, 1, 4:
        latents = model.invert(images, guidance=guidance, **FINE)
        torch.testing.assert_close(latents, noise(4), rtol=0, atol=0.05)
        torch.testing.assert_close(
            model.sample(latents=latents, guidance=guidance, **FINE), images, rtol=0, atol=1e-4
        )
    with pytest.raises(UserError, match="needs to know the images' classes"):
        gaussians(p_uncond=0.0).invert(images)


def test_a_seeds_own_noise_as_latents_changes_nothing():
    for sampler in dl.DDIM(10), dl.DDPM(10), dl.DDIM(10, eta=0.5):
        options = {"sampler": sampler, "seed": 5, "batch_size": 3, "progress": False}
        drawn = gaussians().sample([0, 1], 7, **options)
        assert gaussians().sample([0, 1], latents=noise(7, 5), **options).equal(drawn)


@pytest.mark.parametrize("sampler", [dl.DDIM(20), dl.DDPM(20)])
def test_a_strip_ends_with_the_drawn_images_and_its_x0_goes_from_mean_to_mean(sampler):
    model, options = gaussians(), {"sampler": sampler, "clamp": dl.NoClamp(), "seed": 2, "progress": False}
    drawn = model.sample([0, 1], 6, **options)
    strips = model.interpolate(pairs=3, points=5, labels=[0, 1], **options)
    assert strips.shape == (3, 5, 1, 4, 4)
    torch.testing.assert_close(strips[:, 0], drawn[0::2], rtol=0, atol=1e-4)
    torch.testing.assert_close(strips[:, -1], drawn[1::2], rtol=0, atol=1e-4)
    # The x0 of both labels are mixed as u is, and with them the means that walks end at
    middle = strips[:, 2].mean() - strips[:, [0, 4]].mean()
    assert abs(middle) < 0.05 and strips[:, 0].mean() < -0.3 and strips[:, 4].mean() > 0.4


def test_a_strip_between_images_or_their_latents_ends_with_them():
    model = gaussians()
    images = flow(noise(4), MEANS[:2] * 2, 1 / 400).float()
    strips = model.interpolate(images, labels=[0, 1], points=3, **FINE)
    torch.testing.assert_close(strips[:, [0, 2]].flatten(0, 1), images, rtol=0, atol=1e-4)
    latents = model.invert(images, [0, 1], **FINE)
    assert model.interpolate(latents=latents, labels=[0, 1], points=3, **FINE).equal(strips)


def test_a_strip_to_another_seed_ends_with_an_image_of_each():
    model, options = gaussians(), {"sampler": dl.DDPM(20), "progress": False}
    (a, c), (b, d) = (
        model.sample(labels, seed=seed, **options) for labels, seed in (([0, 0], 2), ([1, 1], 7))
    )
    strips = model.interpolate(pairs=2, points=3, labels=[0, 1], seed=2, to_seed=7, **options)
    torch.testing.assert_close(
        strips[:, [0, 2]], torch.stack([a, b, c, d]).view(2, 2, 1, 4, 4), rtol=0, atol=1e-4
    )


def test_a_hole_is_filled_as_its_pixels_are_drawn_and_known_ones_stay():
    """Pixels of this model are independent: each in the hole is the one that is drawn from the same noise."""
    model, options = gaussians(), {"sampler": dl.DDPM(20), "seed": 3, "guidance": 2, "progress": False}
    hole = torch.zeros(4, 4, dtype=torch.bool)
    hole[1:3, :2] = True
    known = dl.to_uint8(noise(2, 9).clamp(-1, 1))
    filled = model.inpaint(known, hole, [1, 0], samples=3, **options)
    drawn = model.sample([1, 1, 1, 0, 0, 0], **options).view(2, 3, 1, 4, 4)
    assert filled[..., hole].equal(drawn[..., hole])
    assert filled[..., ~hole].equal(dl.from_uint8(known)[:, None].expand(-1, 3, -1, -1, -1)[..., ~hole])
    without = model.inpaint(known, hole, **options)
    torch.testing.assert_close(
        without[:, 0][..., hole], model.sample(num_images=2, **options | {"guidance": 0})[..., hole]
    )


def test_an_image_with_the_noise_of_a_time_goes_where_the_flow_carries_it():
    model, schedule, t = gaussians(), dl.Cosine(), 0.6
    images = noise(2, 9).clamp(-1, 1)
    found = model.image_to_image(images, t, [0, 1], seed=3, **FINE)
    x_t = schedule.alpha(t) * images + schedule.sigma(t) * noise(2, 3)

    def scale(t):
        return (schedule.alpha(t) ** 2 * STD**2 + schedule.sigma(t) ** 2).sqrt()

    # The latent that the exact flow carries to x_t
    means = torch.tensor(MEANS[:2]).view(-1, 1, 1, 1)
    z = schedule.alpha(1.0) * means + scale(1.0) / scale(t) * (x_t - schedule.alpha(t) * means)
    torch.testing.assert_close(found, flow(z, MEANS[:2], t / 400).float(), rtol=0, atol=5e-3)


def test_a_callback_sees_every_step_and_changes_nothing():
    model, options = gaussians(), {"sampler": dl.DDPM(6), "seed": 5, "progress": False}
    hole, images = torch.ones(4, 4, dtype=torch.bool), noise(2).clamp(-1, 1)
    calls = (
        lambda **more: model.sample([0, 1], **options, **more),
        lambda **more: model.interpolate(pairs=1, **options, **more)[0],
        lambda **more: model.inpaint(images, hole, **options, **more)[:, 0],
        lambda **more: model.image_to_image(images, 0.5, **options, **more),
    )
    for call in calls:
        seen = []
        found = call(callback=lambda *step, seen=seen: seen.append(step))
        assert found.equal(call()) and seen[-1][2].x0.equal(found)
        assert [i for i, *_ in seen] == list(range(6)) and [t for _, t, _ in seen] == sorted(
            (t for _, t, _ in seen), reverse=True
        )


def test_likelihood_is_that_of_the_class_or_of_no_class():
    """Of a Gaussian far wider than a level, P(pixels) is the density times the level's width."""
    model, pixels = gaussians(), dl.to_uint8(flow(noise(5), MEANS[2:], 0.0).float())
    x = dl.from_uint8(pixels)
    options = {"clamp": dl.NoClamp(), "steps": 200, "flow": dl.FlowLikelihood(30), "progress": False}
    for labels, mean in ([0], MEANS[0]), (1, MEANS[1]), (None, MEANS[2]):
        nats = -torch.distributions.Normal(mean, STD).log_prob(x.double()).flatten(1).mean(1)
        exact = nats / math.log(2) - math.log2(2 / 255)
        bits = model.likelihood(pixels, labels, batch_size=2, **options)
        # The ODE's bits are exact but for rounding to pixels, one probe and t_0; DDPM's are an upper bound
        assert (bits.flow - exact).abs().max() < 0.35
        assert bits.bound.mean() > exact.mean() - 0.1
    whole = model.likelihood(pixels, labels, **options)
    torch.testing.assert_close(bits.bound, whole.bound)
    torch.testing.assert_close(bits.flow, whole.flow)


@pytest.mark.slow
def test_a_likelihood_needs_a_second_gradient_which_a_compiled_network_does_not_keep():
    torch.manual_seed(0)
    network = dl.UNet(1, 4, 0, 4, (1,), 1)
    model = dl.DiffusionModel(dl.Denoiser(network, dl.Linear(), dl.V()), (1, 4, 4), dl.Guidance(1, 0))
    pixels, options = dl.to_uint8(noise(2)), {"steps": 1, "flow": dl.FlowLikelihood(1), "progress": False}
    bits = model.likelihood(pixels, **options)
    network.compile(dynamic=True, backend="aot_eager")
    assert model.likelihood(pixels, **options).flow.equal(bits.flow)


def test_guidance_is_as_trained_a_scale_or_a_guidance_of_the_models_own_p_uncond():
    model, options = gaussians(scale=2.0), {"labels": [0, 1], "sampler": dl.DDIM(5), "progress": False}
    trained = model.sample(**options)
    assert model.sample(guidance=2, **options).equal(trained)
    assert model.sample(guidance=dl.Guidance(0.7, 2.0), **options).equal(trained)
    assert not model.sample(guidance=3.0, **options).equal(trained)
    for bad in 2.0, dl.Guidance(0.1, 2.0):
        with pytest.raises(UserError, match="this model is unconditional"):
            gaussians(p_uncond=1.0, scale=0.0).sample(guidance=bad)


def test_defaults_are_those_of_the_command_line():
    model = gaussians()
    images = model.sample(progress=False)
    same = {"sampler": dl.DDIM(50), "clamp": dl.Static(), "guidance": 1.0, "seed": 0, "progress": False}
    assert images.equal(model.sample(range(2), 100, **same))
    for labels in torch.tensor([1, 0]), torch.tensor([1, 0]).numpy(), (1, 0), iter([1, 0]):
        assert len(model.sample(labels, **same)) == 2
    assert model.sample(1, **same).equal(model.sample([1], **same))


def test_it_says_what_it_is():
    text = repr(gaussians(names=["dark", "bright"]))
    for part in (
        "(1, 4, 4)",
        "2 (dark, bright)",
        "3 parameters",
        "Cosine",
        "X0",
        "p_uncond=0.1",
        "float32 on cpu",
    ):
        assert part in text


def test_it_moves_to_a_device():
    model = gaussians()
    assert model.to("cpu") is model and model.to(torch.device("cpu")).device.type == "cpu"
    with pytest.raises(UserError, match="device=abacus is not available here"):
        model.to("abacus")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.sample([0, 2]), r"labels=\[0, 2\] must be class numbers from 0 to 1"),
        (lambda m: m.sample([True]), "class numbers"),
        (lambda m: m.sample([0.5]), "class numbers"),
        (lambda m: m.sample([]), "class numbers"),
        (lambda m: m.sample(0, guidance=0), "leave labels out"),
        (lambda m: m.sample(num_images=0), "num_images is 0"),
        (lambda m: m.sample(batch_size=0), "batch_size is 0"),
        (lambda m: m.sample(seed=-1), "seed is -1"),
        (lambda m: m.sample(guidance=math.inf), "must be a finite number"),
        (lambda m: m.sample(latents=noise(2), num_images=3), "num_images is 3, but there are 2 latents"),
        (lambda m: m.sample(latents=noise(2)[0]), r"the latents are \(1, 4, 4\); .* are \(N, 1, 4, 4\)"),
        (lambda m: m.invert(noise(2)[..., :2]), r"the images are \(2, 1, 4, 2\)"),
        (lambda m: m.invert(noise(2), sampler=dl.DDPM(5)), "DDIM with eta=0"),
        (lambda m: m.invert(noise(2), refinements=0), "refinements is 0"),
        (lambda m: m.interpolate(noise(3)), "pairs are needed"),
        (lambda m: m.interpolate(noise(2), latents=noise(2)), "one of them"),
        (lambda m: m.interpolate(points=1), "points is 1"),
        (lambda m: m.interpolate(pairs=0), "pairs is 0"),
        (lambda m: m.interpolate(noise(2), to_seed=1), "leave it out"),
        (lambda m: m.interpolate(to_seed=-1), "seed is -1"),
        (lambda m: m.inpaint(noise(1), torch.zeros(4, 4, dtype=torch.bool)), "the hole has no pixel"),
        (lambda m: m.inpaint(noise(1), torch.ones(4, 4)), "it must be bool"),
        (lambda m: m.inpaint(noise(1), torch.ones(3, 4, dtype=torch.bool)), "the mask is"),
        (lambda m: m.inpaint(noise(1), torch.ones(4, 4, dtype=torch.bool), samples=0), "samples is 0"),
        (lambda m: m.image_to_image(noise(1), 0), "t_start is 0"),
        (lambda m: m.image_to_image(noise(1), 0.5, [2]), "class numbers"),
        (lambda m: m.likelihood(noise(2)), "8-bit"),
        (lambda m: m.likelihood(dl.to_uint8(noise(2))[..., :3]), r"the pixels are \(2, 1, 4, 3\)"),
        (lambda m: m.likelihood(dl.to_uint8(noise(2)), steps=0), "steps is 0"),
    ],
)
def test_bad_input_is_refused_in_words_of_python(call, message):
    with pytest.raises(UserError, match=message) as caught:
        call(gaussians())
    assert "task" not in str(caught.value) and "guidance." not in str(caught.value)
