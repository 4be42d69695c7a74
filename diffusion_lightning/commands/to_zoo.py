"""A model for the zoo, in two steps, as its figures are those of the very file that is handed on.

`python -m diffusion_lightning.commands.to_zoo weights outputs/mnist/<time> mnist --scale 1.5` writes it;
after `python evaluate.py checkpoint=<that file> out=<folder> …`,
`python -m diffusion_lightning.commands.to_zoo card mnist <folder> --shows=… …` writes its card.
"""

from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from diffusion_lightning.errors import UserError
from diffusion_lightning.files import read_json, write_json
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.zoo.cards import FOLDER, Card

FIGURES = "fid", "fid_test", "accuracy", "precision", "recall"
"""Those of an evaluation that a card names, where they were measured."""

TYPED = {
    "shows": "what the model draws",
    "licence": "of the data",
    "recipe": "the command that trained it",
    "limits": "what it cannot do",
    "features": "what the figures were measured with",
}
"""What no file knows."""


def write_weights(run: str, name: str, scale: float | None = None, folder: Path = FOLDER) -> Path:
    """Write the averaged weights of a run in half precision, with its config, and return the file.

    Args:
        run: a checkpoint or a run's folder.
        name: what follows `zoo:`.
        scale: the guidance scale that suits the model; None leaves that of its training.
        folder: where to.
    """
    import torch

    from diffusion_lightning.checkpoints.reader import read_checkpoint
    from diffusion_lightning.checkpoints.safetensors_file import write_model

    checkpoint = read_checkpoint(run)
    if scale is not None:
        checkpoint["hyper_parameters"]["guidance"]["scale"] = scale
    file = folder / f"{name}.safetensors"
    write_model(checkpoint, file, torch.float16)
    return file


def write_card(
    name: str,
    evaluation: Path,
    core_hours: float,
    folder: Path = FOLDER,
    earlier_images: int = 0,
    **typed: str,
) -> Path:
    """Write the card of a model, with the figures of an evaluation of its file, and return its path.

    Args:
        name: what follows `zoo:`; its weights are there.
        evaluation: the folder of `evaluation.json`.
        core_hours: of the training.
        folder: where the weights are.
        earlier_images: those that other runs saw whose weights this one started from (`init=`).
        typed: what no file knows, see TYPED.

    Raises:
        UserError: if the evaluation is of another file.
    """
    from omegaconf import OmegaConf

    from diffusion_lightning.captions import NOTICE
    from diffusion_lightning.checkpoints.reader import read_checkpoint
    from diffusion_lightning.sampling.load import load
    from diffusion_lightning.sampling.request import asked_sampling

    file = folder / f"{name}.safetensors"
    sha256, record = file_sha256(file), read_json(evaluation / "evaluation.json")
    asked = record["asked"]
    if asked.get("checkpoint_sha256") != sha256:
        raise UserError(f"{evaluation} is of another file than {file}: evaluate that one.")
    model, config = load(file, device="cpu"), read_checkpoint(file)
    samples, floor = record["samples"], record.get("floor_same_n", record["floor"])
    card = Card(
        name=name,
        data=config["hyper_parameters"].get(NOTICE) or record["provenance"]["data"],
        images_seen=earlier_images + config["images_seen"],
        core_hours=core_hours,
        parameters=sum(weight.numel() for weight in model.denoiser.network.parameters()),
        sampler=_sampler(asked["sampler"]),
        options=[f"{key}={_text(value)}" for key, value in record["overrides"].items() if _draws(key)],
        guidance=str(asked_sampling(OmegaConf.create(asked), model).guidance),
        num_images=record["num_images"],
        figures={name: [samples[name], floor[name]] for name in FIGURES if name in samples},
        sha256=sha256,
        **typed,
    )
    facts = {key: value for key, value in asdict(card).items() if key != "name"}
    write_json(facts, folder / f"{name}.json")
    return folder / f"{name}.json"


def _sampler(sampler: dict[str, Any]) -> str:
    """`DDIM, 50 steps`."""
    return f"{sampler['_target_'].rpartition('.')[2]}, {sampler['steps']} steps"


def _draws(key: str) -> bool:
    """Whether it is an option of how images are drawn."""
    return key.replace("/", ".").partition(".")[0] in ("sampler", "clamp", "guidance")


def _text(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value


def main() -> None:
    """Add a model to the zoo."""
    parser = ArgumentParser(prog="python -m diffusion_lightning.commands.to_zoo", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    weights = steps.add_parser("weights", help="write the file of weights")
    weights.add_argument("run")
    weights.add_argument("name")
    weights.add_argument("--scale", type=float, help="the guidance scale that suits it")
    card = steps.add_parser("card", help="write the card")
    card.add_argument("name")
    card.add_argument("evaluation", type=Path)
    card.add_argument("--core-hours", type=float, required=True, help="of the training")
    card.add_argument("--earlier-images", type=int, default=0, help="of runs that this one started from")
    for option, about in TYPED.items():
        card.add_argument(f"--{option}", required=True, help=about)
    arguments = vars(parser.parse_args())
    try:
        print((write_weights if arguments.pop("step") == "weights" else write_card)(**arguments))
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
