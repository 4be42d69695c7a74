"""A trained model as a folder that diffusers loads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange import returned
from diffusion_lightning.exchange.base import Exported, Format
from diffusion_lightning.exchange.checkpoint import MEMORY
from diffusion_lightning.exchange.diffusers_scheduler import scheduler_config
from diffusion_lightning.exchange.diffusers_unet import BIAS, LABEL, TIME, unet_config, unet_state
from diffusion_lightning.files import write_json
from diffusion_lightning.networks.unet import UNet

INDEX = {
    "_class_name": "DDPMPipeline",
    "unet": ["diffusers", "UNet2DModel"],
    "scheduler": ["diffusers", "DDPMScheduler"],
}

WEIGHTS = "diffusion_pytorch_model.safetensors"

PIPELINE = Path(__file__).with_name("diffusers_pipeline.py")
"""What becomes `pipeline.py` in the folder; this project never runs it."""


@dataclass(frozen=True)
class DiffusersFormat(Format):
    """A folder for `DDPMPipeline.from_pretrained` and `DDIMPipeline.from_pretrained`.

    A model that draws one label, or none, becomes a plain unconditional pipeline. One that keeps its labels
    becomes a `UNet2DModel` with K + 1 of them, the last of which is the null label, with a `pipeline.py` for
    classifier-free guidance beside it.
    """

    unread: ClassVar[Mapping[str, str]] = {
        "sampler.steps": "num_inference_steps=, when the pipeline is called",
        "sampler.eta": "eta=, when the pipeline is called",
    }

    def __call__(self, exported: Exported, out: Path) -> str:
        """Write the folder.

        Raises:
            UserError: if diffusers cannot express the model; it says what.
        """
        from safetensors.torch import save_file

        network: Any = exported.denoiser.network
        label, guidance = exported.label, exported.sampling.guidance
        memory = exported.checkpoint.get(MEMORY, {})
        unet = unet_config(network, label, memory)
        scheduler = scheduler_config(exported.denoiser, exported.sampling)
        pipeline = None if label is not None else _pipeline(guidance, network.num_classes)
        state = unet_state(network, label, memory)
        for name in "unet", "scheduler":
            (out / name).mkdir()
        write_json(INDEX, out / "model_index.json")
        write_json(unet, out / "unet" / "config.json")
        write_json(scheduler, out / "scheduler" / "scheduler_config.json")
        save_file(state, out / "unet" / WEIGHTS, {"format": "pt"})
        returned.keep(_originals(network), exported.config, label, out)
        if pipeline is None:
            return "DDIMPipeline.from_pretrained(folder)(use_clipped_model_output=True) draws as sampler=ddim"
        (out / "pipeline.py").write_text(pipeline, encoding="utf-8")
        return (
            'DiffusionPipeline.from_pretrained(folder, custom_pipeline="pipeline", trust_remote_code=True)'
            "(class_labels=[0, 1]) draws as sampler=ddim"
        )


def _originals(network: UNet) -> dict[str, Any]:
    own = network.state_dict()
    return {name: own[name] for name in (TIME, BIAS, LABEL)}


def _pipeline(guidance: Guidance, num_classes: int) -> str:
    """The text of a pipeline that guides by this scale.

    Raises:
        UserError: if the guidance is more than a scale.
    """
    plain = Guidance(guidance.p_uncond, guidance.scale)
    changed = [name for name, value in vars(plain).items() if _plain(value) != _plain(vars(guidance)[name])]
    if changed:
        raise UserError(
            f"the pipeline for diffusers guides by a scale alone, and guidance.{changed[0]} is "
            f"{vars(guidance)[changed[0]]}; leave guidance.{changed[0]} out."
        )
    text = PIPELINE.read_text(encoding="utf-8")
    if guidance.p_uncond > 0:
        text = text.replace("NULL_LABEL: int | None = None", f"NULL_LABEL: int | None = {num_classes}")
    return text.replace("GUIDANCE_SCALE = 1.0", f"GUIDANCE_SCALE = {float(guidance.scale)!r}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
