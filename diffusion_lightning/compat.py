"""Everything that may differ between versions of other libraries: optional ones, and their private parts.

`tests/test_compat.py` fails when a library changes one of these parts; pyproject.toml bounds the versions.
"""

import importlib
from collections.abc import Callable
from typing import Any


def needs(module: str, extra: str) -> Any:
    """Import an optional library.

    Args:
        module: what is imported.
        extra: the extra of this package that installs it.

    Raises:
        UserError: if it is not installed; the message names the extra.
    """
    from diffusion_lightning.errors import UserError

    try:
        return importlib.import_module(module)
    except ImportError:
        library = module.partition(".")[0]
        raise UserError(f"{library} is not installed; pip install 'diffusion-lightning[{extra}]'.") from None


def report_hydra_errors(report: Callable[[Exception], Any]) -> None:
    """Hand errors of the command line to a function; Hydra 1.3 prints a traceback, and has no hook for it."""
    import hydra._internal.utils

    def run_and_report(func: Callable[[], Any]) -> Any:
        try:
            return func()
        except Exception as error:
            return report(error)

    hydra._internal.utils.run_and_report = run_and_report
