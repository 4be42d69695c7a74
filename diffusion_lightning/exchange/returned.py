"""What rounding would lose on the way to another library and back, kept beside the weights.

An export folds the time's offset and perhaps a label into two layers, and forgets the other labels. The
tensors before that, and the config, are kept in the folder's `diffusion_lightning.safetensors`. An import
that finds them, and sees that they still lead to the folder's weights, returns to what was exported.
"""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from diffusion_lightning.errors import UserError

FILE = "diffusion_lightning.safetensors"

KEPT = "network", "schedule", "parameterization", "guidance", "dataset", "extractor"
"""The parts of a run's config that a model is loaded, measured and trained on by."""


def keep(tensors: dict[str, Tensor], config: dict[str, Any], label: int | None, folder: Path) -> None:
    """Write the tensors, the config that a model needs, and the label that was folded in, into the folder."""
    from safetensors.torch import save_file

    parts = {name: config[name] for name in KEPT if isinstance(config.get(name), dict)}
    parts["dataset"] = {name: value for name, value in parts["dataset"].items() if name != "data_dir"}
    metadata = {"format": "pt", "config": json.dumps(parts), "label": json.dumps(label)}
    save_file({name: t.detach().clone().contiguous() for name, t in tensors.items()}, folder / FILE, metadata)


def kept(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any], int | None] | None:
    """What `keep` wrote: tensors, config and label; None if there is no such file.

    Raises:
        UserError: if the file is damaged.
    """
    from safetensors import safe_open

    if not (folder / FILE).is_file():
        return None
    try:
        with safe_open(folder / FILE, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(metadata["config"]), json.loads(metadata["label"])
    except Exception as error:  # whatever a damaged file makes of the parsers
        raise UserError(f"{folder / FILE} is damaged ({error}); remove it to read the rest.") from None
