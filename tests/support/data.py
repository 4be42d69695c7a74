"""Small data sets, and their batches as a model sees them."""

from PIL import Image

from diffusion_lightning.data import Digits, ImageFolder


def digits(**kwargs):
    return Digits("", **{"batch_size": 64, "image_channels": 1, "image_size": 8, "num_classes": 10} | kwargs)


def batches_of(data, train):
    data.setup()
    return [data.as_seen(batch) for batch in data.loader(train)]


def save_image(path, colour, size=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def folder_data(root, **kwargs):
    return ImageFolder(str(root), **{"image_channels": 3, "image_size": 8, "batch_size": 4} | kwargs)
