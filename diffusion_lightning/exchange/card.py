"""The card of a model on the hub: README.md with the hub's front matter, the recipe and the figures."""

from collections.abc import Mapping
from typing import Any

import yaml

from diffusion_lightning import __version__
from diffusion_lightning.captions import data_title
from diffusion_lightning.checkpoints.safetensors_file import MODEL, public_config
from diffusion_lightning.exchange.base import Exported

DATASETS = {
    "CIFAR10": "uoft-cs/cifar10",
    "MNIST": "ylecun/mnist",
    "FashionMNIST": "zalando-datasets/fashion_mnist",
}
"""Our class → the name of the data set on the hub."""

NAMES = {"fid": "FID", "kid": "KID", "is": "Inception Score"}
"""What the field calls a figure; the others keep the name of evaluation.json."""

TASK = "unconditional-image-generation"

FLOORS = {"floor_same_n": "as many test images", "floor": "all test images"}
"""The sets that the figures stand beside, and what each is called."""


def model_card(
    exported: Exported,
    repository: str,
    licence: str,
    evaluation: Mapping[str, Any] | None,
    pictures: list[str],
    for_diffusers: bool,
) -> str:
    """The text of README.md.

    Args:
        exported: the model.
        repository: `owner/name`.
        licence: an identifier of the hub, such as mit.
        evaluation: the record of an evaluation of this model; None if there is none.
        pictures: files in the same folder.
        for_diffusers: whether the folder is one that diffusers loads.
    """
    name = repository.partition("/")[2]
    config = public_config(exported.config)
    data = config["dataset"].get("_target_", "").rpartition(".")[2]
    title = data_title(config)
    front = {
        "library_name": "diffusers" if for_diffusers else "diffusion-lightning",
        "license": licence,
        "pipeline_tag": TASK,
        "datasets": [DATASETS[data]] if data in DATASETS else None,
        "tags": ["diffusion-lightning", "ddpm", "image-generation"],
        "model-index": _index(name, data, title, evaluation) if evaluation else None,
    }
    front = {key: value for key, value in front.items() if value}
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n# {name}",
        _summary(exported, title),
        *(f"![{picture}]({picture})" for picture in pictures),
        _use(repository, for_diffusers),
        *([_figures(evaluation)] if evaluation else []),
        _recipe(exported, config),
    ]
    return "\n\n".join(parts) + "\n"


def _index(name: str, data: str, title: str, evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    metrics = [
        {"type": key, "name": NAMES.get(key, key), "value": value}
        for key, value in evaluation["samples"].items()
        if value is not None
    ]
    task = {"type": TASK, "name": "Image generation"}
    dataset = {"type": DATASETS.get(data, data), "name": title}
    return [{"name": name, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}]


def _summary(exported: Exported, data: str) -> str:
    denoiser = exported.denoiser
    parameters = sum(p.numel() for p in denoiser.network.parameters())
    classes = f"{denoiser.num_classes} classes" if denoiser.num_classes else "no classes"
    return (
        f"A diffusion model of {data}: images {' x '.join(map(str, exported.shape))} (C x H x W), {classes}; "
        f"{type(denoiser.network).__name__}, {parameters:,} parameters. Written by diffusion-lightning "
        f"{__version__}."
    )


def _use(repository: str, for_diffusers: bool) -> str:
    lines = ["import diffusion_lightning as dl", f'images = dl.load("hf:{repository}").sample(num_images=16)']
    if for_diffusers:
        lines += [
            "",
            "from diffusers import DDIMPipeline",
            f'images = DDIMPipeline.from_pretrained("{repository}")(batch_size=16).images',
        ]
    code = "\n".join(lines)
    kept = f"`{MODEL}` holds averaged weights, and the config in its metadata."
    return f"## Use\n\n```python\n{code}\n```\n\n{kept}"


def _figures(evaluation: Mapping[str, Any]) -> str:
    """A table: each figure beside that of test images, which no model can be expected to beat."""
    floors = [key for key in FLOORS if key in evaluation]
    count = evaluation["num_images"]
    head = ["", f"{count:,} images of the model", *(FLOORS[key] for key in floors)]
    rows = [
        [NAMES.get(key, key), *(_number(evaluation[kind].get(key)) for kind in ("samples", *floors))]
        for key in evaluation["samples"]
    ]
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    sampler = evaluation["asked"].get("sampler") or {}
    with_ = sampler.get("_target_", "").rpartition(".")[2]
    by = (
        f" Drawn by {with_} in {evaluation['nfe']} evaluations of the network."
        if evaluation.get("nfe")
        else ""
    )
    return f"## Figures\n\nBeside test images, as the floor.{by}\n\n{table}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _recipe(exported: Exported, config: Mapping[str, Any]) -> str:
    checkpoint = exported.checkpoint
    counts = {"steps": "global_step", "epochs": "epoch", "images seen": "images_seen"}
    known = [f"{checkpoint[key]:,} {name}" for name, key in counts.items() if checkpoint.get(key)]
    trained = f"Trained for {', '.join(known)}.\n\n" if known else ""
    listed = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    return f"## Recipe\n\n{trained}```yaml\n{listed}```"
