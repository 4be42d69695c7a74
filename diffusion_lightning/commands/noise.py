"""What libraries say of our own defaults, and is not shown: one table, with the reasons."""

import logging
import re
import warnings

MESSAGES = {
    r"💡 Tip": "an advertisement of a service",
    r"GPU available: |TPU available: ": "the run's own line names its device",
    r"Using .*Automatic Mixed Precision": "and its precision",
    r"set `torch.set_float32_matmul_precision": "speed.precision chooses what is multiplied in",
    r"^LOCAL_RANK: ": "Lightning says it once per process",
    r"`Trainer.fit` stopped: ": "that is how a run ends",
    r"Detected KeyboardInterrupt": "the command has a line of its own",
}
"""What Lightning logs: a pattern, and why it is left out."""

WARNINGS = {
    r".*sync_dist=True": "our metrics are summed over all processes before they are logged",
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated": "Lightning's own use of torch",
    r".*is smaller than the logging interval": "a short epoch is logged at its end",
    r".*exists and is not empty": "a resumed run, and FiniteGuard, write beside what is there",
    r".*GPU available but not used": "trainer.accelerator=cpu asks for that",
    r".*does not have many workers": "images in memory need none",
    r".*you may want to install `litmodels`": "an advertisement",
}
"""Warnings: the beginning of a message, and why it is left out."""

LOGGERS = "lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"


def quieten() -> None:
    """Leave all of it out, in this process."""
    # Hydra's log shows Lightning's messages; Lightning's own handler would show them twice
    logging.getLogger("lightning").handlers.clear()
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if _shown not in logger.filters:
            logger.addFilter(_shown)
    for pattern in WARNINGS:
        warnings.filterwarnings("ignore", message=pattern)


def _shown(record: logging.LogRecord) -> bool:
    return not any(re.search(pattern, record.getMessage()) for pattern in MESSAGES)
