"""The folder of a model as it lies on the hub."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from diffusion_lightning.checkpoints.hub import code_among, hub_errors
from diffusion_lightning.checkpoints.safetensors_file import (
    MODEL,
    public_config,
    without_folders,
    write_model,
)
from diffusion_lightning.compat import needs
from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.base import Exported
from diffusion_lightning.exchange.card import model_card
from diffusion_lightning.exchange.diffusers_export import DiffusersFormat
from diffusion_lightning.files import write_json

log = logging.getLogger(__name__)

CARD = "README.md"
EVALUATION = "evaluation.json"
PICTURE = "samples.png"

WRITTEN = (
    *(CARD, MODEL, EVALUATION, PICTURE, "model_index.json", "diffusion_lightning.safetensors"),
    *("unet/config.json", "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"),
)
"""What may be in the folder; of an earlier model, none of these is left on the hub beside another one."""


def write_hub_folder(
    exported: Exported,
    repository: str,
    out: Path,
    licence: str,
    evaluation: Mapping[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write weights, card, figures and, where it can be expressed, what diffusers loads.

    Args:
        exported: the model.
        repository: `owner/name`.
        out: the folder, in which the picture may lie already.
        licence, evaluation: see `model_card`.
        half: weights in float16.
    """
    public = {**exported.checkpoint, "hyper_parameters": public_config(exported.config)}
    exported = replace(exported, checkpoint=public)
    pictures = [PICTURE] if (out / PICTURE).exists() else []
    for_diffusers = _for_diffusers(exported, out)
    write_model(public, out / MODEL, torch.float16 if half else torch.float32)
    if evaluation:
        write_json(without_folders(dict(evaluation)), out / EVALUATION)
    card = model_card(exported, repository, licence, evaluation, pictures, for_diffusers)
    (out / CARD).write_text(card, encoding="utf-8")


def _for_diffusers(exported: Exported, out: Path) -> bool:
    """Write the folder for diffusers; whether its own pipelines draw from it."""
    try:
        DiffusersFormat()(exported, out)
    except UserError as error:
        log.info("without a folder for diffusers: %s", error)
        return False
    # A pipeline of one's own is code, and a repository that holds any is not read
    code = code_among([path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()])
    for name in code:
        (out / name).unlink()
    return not code


def check_login() -> None:
    """Refuse to begin without an account.

    Raises:
        UserError: if the hub's library has no login.
    """
    if not needs("huggingface_hub", "hub").get_token():
        raise UserError("there is no login to the hub: hf auth login, or set HF_TOKEN.")


def upload(folder: Path, repository: str, private: bool) -> str:
    """Send all files of a folder in one commit, and return the commit's hash.

    The repository is made if it is not there; one that is there stays as public as it is.

    Raises:
        UserError: if the hub is not reached, or does not let this account in, or the repository holds what
            may be code, with which no model is read from it.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    with hub_errors(f"repo={repository}"):
        api = HfApi(library_name="diffusion-lightning")
        api.create_repo(repository, private=private, exist_ok=True)
        there = [file.rfilename for file in api.model_info(repository).siblings or ()]
        if code := code_among(there):
            raise UserError(
                f"repo={repository} holds {code[0]}, which may be code, so that no model is read from it: "
                "choose another repository, or remove the file."
            )
        earlier = [name for name in there if name in WRITTEN and name not in files]
        added = [CommitOperationAdd(name, path) for name, path in sorted(files.items())]
        removed = [CommitOperationDelete(name) for name in earlier]
        return str(api.create_commit(repository, [*added, *removed], commit_message="Upload the model").oid)
