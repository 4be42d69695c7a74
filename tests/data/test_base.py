import pytest

from diffusion_lightning.errors import UserError
from tests.support.data import batches_of, digits


def test_flips_mirror_training_images_only():
    data = digits(flip=True)
    plain, flipped = batches_of(digits(), True), batches_of(data, True)
    mirrored = 0
    for (x, _), (f, _) in zip(plain, flipped, strict=True):
        same, mirror = ((f == z).flatten(1).all(1) for z in (x, x.flip(-1)))
        assert (same | mirror).all()
        mirrored += (mirror & ~same).sum().item()
    assert 0.4 < mirrored / 1500 < 0.6
    pairs = zip(batches_of(digits(), False), batches_of(data, False), strict=True)
    assert all(a[0].equal(b[0]) for a, b in pairs)


def test_images_that_are_not_as_described_are_refused():
    with pytest.raises(UserError, match=r"image_channels .* \(3, 8, 8\)"):
        digits(image_channels=3).setup()
    with pytest.raises(UserError, match="num_classes=10"):
        digits(num_classes=9).setup()
    for batch_size in (0, 1.5, True, None):
        with pytest.raises(UserError, match="batch_size"):
            digits(batch_size=batch_size)
    for name in ("num_classes", "num_workers", "seed"):
        with pytest.raises(UserError, match=name):
            digits(**{name: -1})
