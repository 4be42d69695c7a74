"""The command lines as a person runs them, but in this process, as a start of Python takes seconds."""

import contextlib
import io
import os
import runpy
import sys
import traceback
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra

from tests.support.command import ROOT


def run_here(script, *args, cwd):
    """What `command.run` gives: exit code and output; `-m` alone makes a sweep, not `hydra.mode`."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    GlobalHydra.instance().clear()
    before = sys.argv, Path.cwd()
    sys.argv = [str(ROOT / script), *map(str, args)]
    try:
        os.chdir(cwd)
        # Hydra composes every config twice, the first time to find hydra.mode in it
        once = patch.object(Hydra, "get_mode", lambda *_, **__: None)
        with once, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):  # which Python prints
            err.write(f"{code}\n")
            code = 1
    except Exception:
        err.write(traceback.format_exc())
        code = 1
    finally:
        sys.argv, folder = before
        os.chdir(folder)
    return CompletedProcess([script, *args], code, out.getvalue(), err.getvalue())


def succeed_here(script, *args, cwd):
    done = run_here(script, *args, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
