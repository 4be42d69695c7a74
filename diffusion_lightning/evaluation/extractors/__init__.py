"""Feature extractors: modules that map uint8 images to features, and optionally to class logits."""

from diffusion_lightning.evaluation.extractors.classifier import Classifier
from diffusion_lightning.evaluation.extractors.identity import Identity
from diffusion_lightning.evaluation.extractors.inception import Inception
from diffusion_lightning.evaluation.extractors.resnet import ResNet

__all__ = ["Classifier", "Identity", "Inception", "ResNet"]
