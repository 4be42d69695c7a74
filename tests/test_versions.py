"""The versions and the commit that results are told by."""

import subprocess

import torch

import diffusion_lightning as dl
from diffusion_lightning.versions import commit, versions


def git(folder, *words):
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *author, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_clone_has_a_commit_and_says_if_it_was_changed(tmp_path):
    assert commit(tmp_path) is None
    git(tmp_path, "init")
    assert commit(tmp_path) is None  # there is none yet
    (tmp_path / "a.py").write_text("1")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-m", "one")
    git(tmp_path, "tag", "-a", "v1", "-m", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit(tmp_path) == head
    (tmp_path / "a.py").write_text("2")
    assert commit(tmp_path) == f"{head}-dirty"


def test_a_package_within_the_clone_of_something_else_has_none(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "site-packages").mkdir()
    assert commit(tmp_path / "site-packages") is None


def test_versions_are_those_of_what_runs():
    assert torch.__version__.startswith(versions()["torch"])
    assert versions()["diffusion-lightning"] == dl.__version__
