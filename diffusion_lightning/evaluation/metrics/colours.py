"""Brightness and contrast of each channel, beside the data's."""

from diffusion_lightning.evaluation.comparison import Comparison, Metric


class Colours(Metric):
    """Mean and standard deviation of each channel over all pixels, in 8-bit levels."""

    def __call__(self, compared: Comparison) -> dict[str, float]:
        """mean_<c> and std_<c> of the samples; mean_<c>_off and std_<c>_off: less the training images'."""
        samples, data = compared.samples, compared.train
        values: dict[str, float] = {}
        for name, mine, theirs in (
            ("mean", samples.pixel_mean, data.pixel_mean),
            ("std", samples.pixel_std, data.pixel_std),
        ):
            for channel, (x, y) in enumerate(zip(mine.tolist(), theirs.tolist(), strict=True)):
                values |= {f"{name}_{channel}": x, f"{name}_{channel}_off": x - y}
        return values
