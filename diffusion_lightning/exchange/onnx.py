"""A trained denoiser as an ONNX file, for any runtime that reads these."""

import contextlib
import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from diffusion_lightning.compat import needs
from diffusion_lightning.errors import UserError, first_line
from diffusion_lightning.exchange.base import Exported, Format
from diffusion_lightning.exchange.program import INPUTS, OUTPUT, traced
from diffusion_lightning.exchange.walk import WALK, walk_facts
from diffusion_lightning.files import write_json

FILE = "denoiser.onnx"

MOST_BYTES = 2**31 - 2**20
"""Of weights in one file: that of a protobuf message, with room for the graph."""


@dataclass(frozen=True)
class ONNX(Format):
    """`denoiser.onnx`, (x_t, t, y) → x0 for any batch size, and `denoiser.json` with the walk's numbers."""

    def __call__(self, exported: Exported, out: Path) -> str:
        """Write both files.

        Raises:
            UserError: if the network cannot be traced or converted or is too big for one file, or the
                converter is not installed.
        """
        onnx = needs("onnx", "onnx")
        needs("onnxscript", "onnx")
        bytes_ = sum(w.numel() * 4 for w in exported.denoiser.network.parameters())
        if bytes_ > MOST_BYTES:
            raise UserError(f"the network has {bytes_:,} bytes of weights; an ONNX file holds at most 2 GB.")
        program = traced(exported.denoiser, exported.shape)
        facts = walk_facts(exported)
        model = _converted(program)
        for node in [*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info]:
            del node.metadata_props[:]  # names modules and source lines
        onnx.checker.check_model(model)
        (out / FILE).write_bytes(model.SerializeToString())
        write_json(facts, out / WALK)
        return f"onnxruntime.InferenceSession('{FILE}'); {WALK} has the numbers of the walk"


def _converted(program: torch.export.ExportedProgram) -> Any:
    """The program as `onnx.ModelProto`."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            converted = torch.onnx.export(
                program, dynamo=True, input_names=INPUTS, output_names=[OUTPUT], verbose=False
            )
    except Exception as error:  # whatever a layer that ONNX lacks makes of it
        raise UserError(f"the network has a layer that ONNX cannot express: {first_line(error)}") from error
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
    assert converted is not None
    return converted.model_proto
