"""Classifier-free guidance for the U-Net in this folder: what diffusion-lightning's guided DDIM draws.

pipe = DiffusionPipeline.from_pretrained(folder, custom_pipeline="pipeline", trust_remote_code=True)
images = pipe(class_labels=[3, 5], guidance_scale=2.0).images
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import DDIMScheduler, DiffusionPipeline, ImagePipelineOutput, UNet2DModel
from diffusers.utils.torch_utils import randn_tensor

GUIDANCE_SCALE = 1.0
"""w of output = null + w (conditional - null), as the model was exported."""

NULL_LABEL: int | None = None
"""The label that stands for no class; None if the model never learned it."""


class GuidedPipeline(DiffusionPipeline):
    """DDIM with classifier-free guidance."""

    model_cpu_offload_seq = "unet"

    def __init__(self, unet: UNet2DModel, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=DDIMScheduler.from_config(scheduler.config))

    @torch.no_grad()
    def __call__(
        self,
        class_labels: Sequence[int],
        guidance_scale: float = GUIDANCE_SCALE,
        num_inference_steps: int = 50,
        eta: float = 0.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple[Any]:
        """Draw one image per label.

        Args:
            class_labels: 0 … K - 1.
            guidance_scale: w; 0 ignores the labels, 1 follows them, more exaggerates them.
            num_inference_steps: evaluations of the U-Net.
            eta: 0 is DDIM, 1 is DDPM with the posterior variance.
            generator, output_type, return_dict: as in `DDIMPipeline`.
        """
        config, device = self.unet.config, self._execution_device
        size = config.sample_size
        sides = (size, size) if isinstance(size, int) else size
        shape = len(class_labels), config.in_channels, *sides
        y = torch.tensor(list(class_labels), device=device)
        if guidance_scale != 1 and NULL_LABEL is None:
            raise ValueError("this conditional model never learned a null label: only guidance_scale=1 works")
        x = randn_tensor(shape, generator=generator, device=device, dtype=self.unet.dtype)
        self.scheduler.set_timesteps(num_inference_steps)
        for t in self.progress_bar(self.scheduler.timesteps):
            if guidance_scale == 1:
                output = self.unet(x, t, y).sample
            else:
                null = torch.full_like(y, NULL_LABEL)
                without, with_y = self.unet(torch.cat([x, x]), t, torch.cat([null, y])).sample.chunk(2)
                output = without + guidance_scale * (with_y - without)
            step = self.scheduler.step(output, t, x, eta, use_clipped_model_output=True, generator=generator)
            x = step.prev_sample
        images = (x / 2 + 0.5).clamp(0, 1)
        if output_type != "pt":
            images = images.cpu().permute(0, 2, 3, 1).float().numpy()
            images = self.numpy_to_pil(images) if output_type == "pil" else images
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)
