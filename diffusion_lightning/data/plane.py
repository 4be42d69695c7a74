"""Points of the plane, drawn from a known density."""

from collections.abc import Sequence

import torch

from diffusion_lightning.data.base import SampleData, TensorImages
from diffusion_lightning.data.densities import Density, density_of
from diffusion_lightning.diffusion.noise import derive_seed
from diffusion_lightning.errors import UserError, check_counts


class Plane(SampleData):
    """Points (N, 2), float32, of a density within [-1, 1]: the smallest data on which all else can be seen.

    Both splits are drawn anew from the density, the same points for any seed. The arguments not listed here
    are those of `SampleData`.

    Args:
        shape: moons, swiss_roll, checkerboard or rings; the file of a picture, whose dark places are likely;
            or a `Density`.
        num_points: of the training split; the test split has a tenth of them.
        dim: coordinates of a point, 2.
        num_classes: None for the classes of the density.
        class_names: None for the names that the density gives them.
        data_dir: unused, as the points are drawn.

    Attributes:
        density: the truth, with `sample` and `pdf`.

    Raises:
        UserError: if a value is out of its range, or there is no such shape.
    """

    def __init__(
        self,
        shape: str | Density = "moons",
        num_points: int = 100_000,
        dim: int = 2,
        data_dir: str = "data/",
        batch_size: int = 500,
        num_classes: int | None = None,
        class_names: Sequence[str] | None = None,
        seed: int = 0,
        num_workers: int = 0,
        classes: Sequence[int | str] | None = None,
        limit: int | None = None,
    ) -> None:
        check_counts(least=10, num_points=num_points)
        if dim != 2:
            raise UserError(f"dim is {dim}; a point of the plane has 2 coordinates.")
        self.num_points = num_points
        self.density = density_of(shape)
        names = self.density.class_names if class_names is None else class_names
        super().__init__(
            data_dir,
            batch_size,
            (dim,),
            len(names) if num_classes is None else num_classes,
            names,
            seed,
            num_workers,
            classes,
            limit,
        )

    def load(self, train: bool) -> TensorImages:
        """Independent draws, other ones for each split."""
        n = self.num_points if train else self.num_points // 10
        points, labels = self.density.sample(n, torch.Generator().manual_seed(derive_seed(0, int(train))))
        return TensorImages(points.float(), labels)
