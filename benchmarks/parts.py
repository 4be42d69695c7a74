"""What is measured: every part with its programs, as names alone, so that the parent stays small."""

from dataclasses import dataclass
from itertools import product

PEERS = "diffusers", "diffusers-bf16", "diffusers-levers", "denoising-diffusion-pytorch"
TRAINING = "lightning", "plain", "plain-fp32", *PEERS
SAMPLING = "ours", "ours-guided", "ours-fp32", *PEERS
CASES = "mnist", "cifar10"

QUALITY = (
    *("ddim", "ddpm", "heun", "dpm_solver_pp", "deis"),
    *("DDIMScheduler", "DDPMScheduler", "HeunDiscreteScheduler", "DPMSolverMultistepScheduler"),
    *("DEISMultistepScheduler", "UniPCMultistepScheduler"),
)

LEVERS = {
    "plain": [],
    "allocator": ["allocator=true"],
    "bf16": ["precision=bf16-mixed"],
    "channels_last": ["channels_last=true"],
    "bf16+channels_last": ["precision=bf16-mixed", "channels_last=true"],
    "bf16+compile": ["precision=bf16-mixed", "compile=true"],
    "bf16+compile+channels_last": ["precision=bf16-mixed", "compile=true", "channels_last=true"],
    "gradient checkpointing": ["gradient_checkpointing=true"],
}
"""What each of them sets in the config's `speed`, on top of `speed=plain`."""

GROWTH = {
    "batch": (16, 64, 256),
    "width": (16, 32, 64, 128),
    "resolution": (16, 32, 64),
}

STARTUP = {
    "train.py --help": ["train.py", "--help"],
    "sample.py --help": ["sample.py", "--help"],
    "import diffusion_lightning": ["-c", "import diffusion_lightning"],
    "import diffusion_lightning.config.build": ["-c", "import diffusion_lightning.config.build"],
    "import torch": ["-c", "import torch"],
    "import diffusers": ["-c", "from diffusers import UNet2DModel, DDPMScheduler"],
    "import denoising_diffusion_pytorch": ["-c", "import denoising_diffusion_pytorch"],
}
"""What Python is started with."""


WHOLE, ONLY = "all of it", "its convolutions and products, alone"
"""The rows of a profile that are no kind of operation."""


@dataclass(frozen=True)
class Part:
    """A table of the report.

    Args:
        name: of its module, too.
        what: is measured, in a sentence.
        jobs: (case, program), each a process of its own.
        unit: what the seconds are of.
        reference: the program of each case that the others are compared with.
        repeat: so many times as many rounds as are asked for; at least one.
    """

    name: str
    what: str
    jobs: tuple[tuple[str, str], ...]
    unit: str
    reference: str | None = None
    repeat: float = 1


_PARTS = (
    Part(
        "roof",
        "The fastest that PyTorch computes here: matrix products and 3×3 convolutions. The roof of a type is "
        "its largest figure.",
        tuple((dtype, "all") for dtype in ("float32", "bfloat16")),
        "call",
    ),
    Part(
        "training",
        "A full training step: batch, noise, forward, loss, backward, clipping, optimizer, averaged weights.",
        tuple(product(CASES, TRAINING)),
        "step",
        "diffusers",
    ),
    Part(
        "overhead",
        "What Lightning and its callbacks add to a bare loop with the same network and levers.",
        tuple(product(("mnist", "tiny"), ("lightning", "plain"))),
        "step",
        "plain",
        repeat=2,
    ),
    Part(
        "sampling",
        "An evaluation of the network inside a walk of DDIM, without gradients.",
        tuple(product(CASES, SAMPLING)),
        "evaluation",
        "diffusers",
    ),
    Part(
        "sampler",
        "A step of a sampler beside the network, which here returns its input: 1×28×28, 64 images; and the "
        "peak of the memory that a walk holds.",
        (("steps", "all"), ("memory", "all")),
        "step",
        "diffusers",
    ),
    Part(
        "profile",
        "Where the time of a training step and of an evaluation within a walk goes (uncompiled), beside the "
        "same convolutions and matrix products timed one by one.",
        tuple((f"{case} {kind}", "all") for case in CASES for kind in ("training", "sampling")),
        "step or evaluation",
        WHOLE,
    ),
    Part(
        "quality",
        "Seconds for 1,000 images of a model of the zoo, given their labels (w = 1; CIFAR-10: w = 3), and "
        "their FID to the training images on the data set's own classifier: our samplers, and diffusers' "
        "on the same network.",
        tuple(product(("digits", *CASES), QUALITY)),
        "1,000 images",
        repeat=0,
    ),
    Part(
        "data",
        "Loading a batch of shuffled images and handing it over as float32 in [-1, 1].",
        tuple(product(CASES, ("ours", "torchvision"))),
        "batch",
        "torchvision",
    ),
    Part(
        "startup",
        "A new process, from its start to its end.",
        tuple(("process", program) for program in STARTUP),
        "process",
        "import diffusers",
        repeat=2,
    ),
    Part(
        "levers",
        "Our own step with one thing switched at a time, from eager float32 up.",
        tuple(
            (f"{case} {kind}", lever)
            for case in CASES
            for kind in ("training", "sampling")
            for lever in LEVERS
            if (kind, lever) != ("sampling", "gradient checkpointing")
        ),
        "step or evaluation",
        "plain",
        repeat=0,
    ),
    Part(
        "growth",
        "Our training step with MNIST's network, from 16 images a step, width 32 and 28×28 on.",
        tuple((kind, str(size)) for kind, sizes in GROWTH.items() for size in sizes),
        "step",
        repeat=0,
    ),
)

PARTS = {part.name: part for part in _PARTS}
