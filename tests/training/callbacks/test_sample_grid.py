import torch
from torchvision.io import read_image

from diffusion_lightning.diffusion.clamp import Static
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.samplers import DDIM
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.training.callbacks import SampleGrid
from tests.support.fitting import fit, module


def grid(folder, p_uncond, **options):
    guidance = Guidance(p_uncond, 0.0 if p_uncond == 1 else 1.0)
    callback = SampleGrid(Sampling(DDIM(2), guidance, Static()), str(folder), num_images=20, **options)
    fit(module(p_uncond), [callback], limit_train_batches=1, limit_val_batches=0)
    (path,) = folder.iterdir()
    return read_image(str(path))


def test_classes_are_named_above_the_very_pixels(tmp_path):
    bare = grid(tmp_path / "bare", 0.1, captions=False)
    named = grid(tmp_path / "named", 0.1)
    top = named.shape[1] - bare.shape[1]
    assert top > 10 and named[:, top:].equal(bare)
    assert all(int(named[:, :top, i * 49 : (i + 1) * 49].amin()) < 80 for i in range(10))


def test_unconditional_images_have_no_class(tmp_path):
    assert torch.equal(grid(tmp_path / "a", 1.0), grid(tmp_path / "b", 1.0, captions=False))
