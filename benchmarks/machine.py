"""The machine, and the programs that are measured on it."""

import os
import platform
import re
import subprocess
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmarks.settings import Row, Settings

PACKAGES = "torch", "lightning", "diffusers", "denoising-diffusion-pytorch"


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """Hardware in one row, software in the other."""
    return [{"program": "hardware", **hardware(settings)}, {"program": "software", **software()}]


def hardware(settings: Settings) -> dict[str, Any]:
    """What everything runs on, with a short name for files."""
    cpu, cores = _cpu(), os.cpu_count()
    gpu = torch.cuda.get_device_name() if settings.device == "cuda" else None
    return {
        "name": _short(gpu) if gpu else f"{_short(cpu)}-{cores}cores",
        "cpu": cpu,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "instructions": _instructions(),
        "gpu": gpu,
    }


def software() -> dict[str, Any]:
    """Versions, the commit and the time."""
    return {
        "date": f"{datetime.now():%Y-%m-%d %H:%M}",
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    }


def _cpu() -> str:
    names = re.findall(r"^model name\s*: (.*)$", _cpuinfo(), re.MULTILINE)
    name = names[0] if names else platform.processor() or platform.machine()
    return re.sub(r"\((R|TM)\)| CPU| @.*", "", name)


def _cpuinfo() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _instructions() -> str:
    special = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in _cpuinfo().split()]
    return " + ".join([torch.backends.cpu.get_cpu_capability(), *special])


def _short(name: str) -> str:
    """NVIDIA H100 80GB HBM3 is nvidia-h100."""
    model = re.sub(r"[ -](SXM|PCIe|HBM|\d+GB).*", "", name)
    return re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"
