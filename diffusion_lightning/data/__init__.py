"""Data sets: images as uint8 in memory, batches by one index operation, [-1, 1] on the device."""

from diffusion_lightning.data.base import ImageData, SampleData
from diffusion_lightning.data.cifar10 import CIFAR10
from diffusion_lightning.data.digits import Digits
from diffusion_lightning.data.image_folder import ImageFolder
from diffusion_lightning.data.mnist import MNIST, FashionMNIST
from diffusion_lightning.data.plane import Plane

__all__ = ["CIFAR10", "MNIST", "Digits", "FashionMNIST", "ImageData", "ImageFolder", "Plane", "SampleData"]
