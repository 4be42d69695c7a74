"""Brightness and contrast of each channel, compared with the data's."""

import math

from diffusion_lightning.evaluation.comparison import Comparison, Metric


class Colours(Metric):
    """Mean and standard deviation of each channel over all pixels, in 8-bit levels.

    colour_distance is the Euclidean distance between the mean colours of samples and data: what a walk that
    drifts in brightness or in colour is off by.
    """

    def __call__(self, compared: Comparison) -> dict[str, float]:
        """mean_<c>, std_<c> of the samples; <…>_off: minus those of the training images; colour_distance."""
        samples, data = compared.samples, compared.train
        values: dict[str, float] = {}
        for name, of_samples, of_data in (
            ("mean", samples.pixel_mean, data.pixel_mean),
            ("std", samples.pixel_std, data.pixel_std),
        ):
            for channel, (x, y) in enumerate(zip(of_samples.tolist(), of_data.tolist(), strict=True)):
                values |= {f"{name}_{channel}": x, f"{name}_{channel}_off": x - y}
        return values | {"colour_distance": math.dist(samples.pixel_mean, data.pixel_mean)}
