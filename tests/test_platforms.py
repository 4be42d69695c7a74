"""Linux, macOS and Windows: no module takes for granted what one of them does not have."""

import ast
import builtins
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from diffusion_lightning import speed
from diffusion_lightning.commands import gpu_per_job
from diffusion_lightning.files import atomic_write
from tests.support.command import ROOT
from tests.support.in_process import succeed_here

SOURCES = [
    *(ROOT / "diffusion_lightning").rglob("*.py"),
    *(ROOT / "benchmarks").rglob("*.py"),
    *(ROOT / "docs").glob("*.py"),
    *ROOT.glob("*.py"),
]

UNIX_MODULES = {
    *(
        "crypt",
        "fcntl",
        "grp",
        "nis",
        "pty",
        "pwd",
        "readline",
        "resource",
        "spwd",
        "syslog",
        "termios",
        "tty",
    ),
}

_OS = """
    chown chroot ctermid fchdir fchmod fchown fork forkpty getegid geteuid getgid getgroups
    getloadavg getpgid getpgrp getpriority getresuid getsid getuid initgroups killpg lchown link
    mkfifo mknod nice openpty pathconf pipe2 posix_fadvise posix_fallocate posix_spawn pread pwrite
    readlink rename sched_getaffinity sched_setaffinity sendfile setegid seteuid setgid setpgid
    setsid setuid statvfs symlink sync sysconf tcgetpgrp uname wait wait3 wait4
"""

_SIGNAL = """
    SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGTTIN
    SIGTTOU SIGUSR1 SIGUSR2 alarm pause pthread_kill pthread_sigmask setitimer sigpending sigwait
"""

UNIX = {"os": set(_OS.split()), "signal": set(_SIGNAL.split())}
"""What Windows does not have, or does otherwise: there os.rename replaces no file. macOS lacks some too."""

PLACES = "/tmp", "/dev", "/proc", "/etc", "/usr", "/var", "/home", "/opt", "C:\\"
"""Where folders of one system begin."""

NOT_FILES = {"Image", "os", "tarfile", "zipfile", "self"}
"""What has an `open` for other things than texts."""


def faults(tree):
    """(line, what is wrong) of a module's syntax tree."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        for fault in of_node(node, docstrings):
            if not asked_before(node, parents):
                yield node.lineno, fault


def asked_before(node, parents):
    """Whether the node stands below a condition on the platform, or where its absence is caught."""
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.If | ast.IfExp | ast.comprehension | ast.ListComp):
            test = ast.unparse(node)
            if "sys.platform" in test or "hasattr" in test or "os.name" in test:
                return True
        if isinstance(node, ast.Try):
            caught = " ".join(ast.unparse(handler.type) for handler in node.handlers if handler.type)
            if "ImportError" in caught or "AttributeError" in caught:
                return True
    return False


def of_node(node, docstrings):
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        yield from (f"import {name}" for name in names if name in UNIX_MODULES)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{a.name}" for a in node.names if a.name in UNIX.get(node.module, ()))
    if isinstance(node, ast.Attribute):
        owner = getattr(node.value, "id", "")
        yield from [f"{owner}.{node.attr}"] * (node.attr in UNIX.get(owner, ()))
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
        if node.value.startswith(PLACES):
            yield f"the path {node.value}"
        if "%H:" in node.value:
            yield f"a time with colons, {node.value}, which no file's name may have"
    if isinstance(node, ast.Call):
        yield from of_call(node)


def of_call(call):
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    arguments = [a.value for a in call.args if isinstance(a, ast.Constant)]
    named = {keyword.arg for keyword in call.keywords}
    if name == "CDLL" and None in arguments:
        yield "CDLL(None)"
    if name in ("rename", "symlink_to", "hardlink_to", "readlink", "chown", "lchmod"):
        yield f"Path.{name}"
    owner = getattr(getattr(call.func, "value", None), "id", "")
    mode = next((a for a in arguments if isinstance(a, str) and len(a) < 4), "r")
    texts = name in ("read_text", "write_text") or (
        name == "open" and owner not in NOT_FILES and "b" not in mode
    )
    if texts and not named & {"encoding", None}:
        yield f"{ast.unparse(call.func)} in the locale's encoding; say encoding='utf-8'"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_of_one_platform_is_used_unasked(file):
    found = [fault for _, fault in faults(ast.parse(file.read_text(encoding="utf-8")))]
    if "benchmarks" in file.parts:  # a report of a machine has its time, and what Linux says of it
        found = [fault for fault in found if not fault.startswith(("the path /proc", "a time"))]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import fcntl",
        "def f():\n    import resource",
        "from os import fork",
        "os.getuid()",
        "os.sched_getaffinity(0)",
        "p.kill(signal.SIGKILL)",
        "ctypes.CDLL(None)",
        "os.rename(a, b)",
        "path.rename(other)",
        "path.read_text()",
        "path.write_text(text)",
        "open(path, 'w')",
        "path.open(newline='')",
        "Path('/tmp/x')",
        "f'{now:%H:%M}'",
        "if x:\n    os.fork()",
    ],
)
def test_what_a_platform_lacks_is_found(code):
    assert list(faults(ast.parse(code)))


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    return [name for name in listed.stdout.split("\0") if name]


def test_files_of_the_project_have_names_for_every_platform():
    """Windows has reserved names and characters, and it and macOS take `A` for `a`."""
    devices = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
    for name in tracked():
        for part in Path(name).parts:
            assert part.partition(".")[0].lower() not in devices, name
            assert not set(part) & set('<>:"|?*\\') and part[-1] not in ". ", name
    assert len({name.lower() for name in tracked()}) == len(tracked())


class Elsewhere:
    """A module of Python's as another platform has it."""

    def __init__(self, module, lacks=(), **changes):
        self._module, self._lacks = module, lacks
        vars(self).update(changes)

    def __getattr__(self, name):
        if name in self._lacks:
            raise AttributeError(f"module {self._module.__name__!r} has no attribute {name!r}")
        return getattr(self._module, name)


def no_library(name):
    raise TypeError(f"LoadLibrary() argument 1 must be str, not {name}")


@pytest.fixture(params=["win32", "darwin"])
def elsewhere(request, monkeypatch):
    """Our modules see another platform, and the libraries that which there is."""
    there = {"sys": Elsewhere(sys, platform=request.param)}
    if request.param == "win32":
        there |= {name: Elsewhere(sys.modules[name], lacks) for name, lacks in UNIX.items()}
        there["ctypes"] = Elsewhere(ctypes, CDLL=no_library)
        for name in UNIX_MODULES:
            monkeypatch.setitem(sys.modules, name, None)
    for name, module in list(sys.modules.items()):
        if name.startswith("diffusion_lightning"):
            for attribute, replaced in there.items():
                if getattr(module, attribute, None) is sys.modules[attribute]:
                    monkeypatch.setattr(module, attribute, replaced)
    return request.param


def test_freed_memory_is_left_to_other_c_libraries(elsewhere):
    speed.keep_freed_memory()


def test_a_gpu_is_claimed_everywhere(elsewhere, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setenv("USERNAME", "Zoë")  # as Windows does
    lock = gpu_per_job.claim_gpu.__wrapped__()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3" and lock.is_locked


def test_a_run_is_trained_and_drawn_from(elsewhere, tmp_path):
    options = ["network.width=8", "trainer.max_steps=2", "trainer.limit_val_batches=1", "sampler.steps=2"]
    options += ["callbacks.sample_grid.num_images=4", "hydra.run.dir=run"]
    succeed_here("train.py", *options, cwd=tmp_path)
    succeed_here("train.py", *options, "resume=true", cwd=tmp_path)
    drawn = ["checkpoint=run", "num_images=2", "sampler.steps=2", "out=drawn"]
    succeed_here("sample.py", *drawn, cwd=tmp_path)
    for path in tmp_path.rglob("*"):
        assert not set(path.name) & set('<>:"|?*\\'), path


def test_texts_are_utf8_in_any_locale(tmp_path, monkeypatch):
    """Windows' default is an encoding of one country."""
    default = "cp1252"

    def open_as_there(file, mode="r", *args, **kwargs):
        if "b" not in mode and kwargs.get("encoding") is None:
            kwargs["encoding"] = default
        return open(file, mode, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", open_as_there)
    path = tmp_path / "é.txt"
    with atomic_write(path) as file:
        file.write("ᾱ 漢字\n")
    assert path.read_bytes() == "ᾱ 漢字\n".encode()
