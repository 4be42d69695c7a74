import pytest
import torch

from diffusion_lightning.data.base import ImageData, TensorImages
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


class Downloaded(ImageData):
    """A set that is downloaded: pixels of the folder's own value."""

    def prepare_data(self):
        self.data_dir.mkdir(exist_ok=True)
        (self.data_dir / "value").write_text(self.data_dir.name)

    def load(self, train):
        if not (self.data_dir / "value").exists():
            raise UserError("could not download or read it")
        value = int((self.data_dir / "value").read_text())
        return TensorImages(
            torch.full((3, 1, 8, 8), value, dtype=torch.uint8), torch.tensor([0, 0, int(train)])
        )


def test_images_are_known_by_what_they_are_and_not_by_their_folder(tmp_path):
    def downloaded(folder):
        return Downloaded(tmp_path / folder, 2, 1, 8, 2)

    assert downloaded("7").contents() is None
    for folder in "7", "8":
        downloaded(folder).prepare_data()
    (tmp_path / "7").rename(tmp_path / "moved")
    assert downloaded("moved").contents() != downloaded("8").contents()
    (tmp_path / "8" / "value").write_text("7")
    assert downloaded("moved").contents() == downloaded("8").contents()
