import diffusion_lightning as dl
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.config.renamed import RENAMED, renamed


def test_every_earlier_name_is_a_public_class_of_today():
    for name in RENAMED.values():
        package, _, public = name.partition(".")
        assert package == "diffusion_lightning"
        assert isinstance(getattr(dl, public), type)


def test_names_are_replaced_at_every_depth_and_nothing_else_is():
    node = {
        "_target_": "diffusion_lightning.samplers.PredictorCorrector",
        "predictor": {"_target_": "diffusion_lightning.samplers.predictor_corrector.Stay"},
        "list": [{"_target_": "diffusion_lightning.metrics.frechet.FID"}],
        "_note": "diffusion_lightning.samplers.DDIM",
        "theirs": {"_target_": "torch.optim.Adam"},
    }
    assert renamed(node) == {
        "_target_": "diffusion_lightning.PredictorCorrector",
        "predictor": {"_target_": "diffusion_lightning.NoStep"},
        "list": [{"_target_": "diffusion_lightning.FID"}],
        "_note": "diffusion_lightning.samplers.DDIM",
        "theirs": {"_target_": "torch.optim.Adam"},
    }


def test_a_config_of_someones_own_may_use_an_earlier_name():
    sampler = instantiate(
        {
            "_target_": "diffusion_lightning.samplers.DDIM",
            "steps": 7,
            "grid": {"_target_": "diffusion_lightning.grids.Karras"},
        }
    )
    assert isinstance(sampler, dl.DDIM) and isinstance(sampler.grid, dl.Karras) and sampler.steps == 7


def test_a_callback_is_not_the_metric_of_its_name():
    assert RENAMED["diffusion_lightning.callbacks.FID"] == "diffusion_lightning.TrackFID"
    assert RENAMED["diffusion_lightning.metrics.frechet.FID"] == "diffusion_lightning.FID"
