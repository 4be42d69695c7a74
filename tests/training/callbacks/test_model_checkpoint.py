"""Kept checkpoints: names of their own, runs that are moved and resumed, and who may write last.ckpt."""

import shutil

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from diffusion_lightning.commands.messages import user_message
from diffusion_lightning.errors import UserError
from tests.support.runs import Died, Watch, differences, left_behind, train_in

KIND = "_target_:lightning.pytorch.callbacks.ModelCheckpoint"
FOLDER = "dirpath:'${paths.run_dir}/checkpoints'"


def another(name, *options):
    return f"+callbacks.{name}={{{','.join((KIND, FOLDER, *options))}}}"


EVERY = another("every", "filename:'kept{epoch}'", "every_n_train_steps:4", "save_top_k:-1")
STALE = another("stale", "filename:stale", "monitor:val/loss", "every_n_train_steps:4", "save_top_k:2")
THREE = another("three", "filename:three", "monitor:val/loss", "save_top_k:3")
OFTEN = "trainer.val_check_interval=3"
KEEPING = [
    [OFTEN, "callbacks.checkpoint.save_top_k=-1"],
    [OFTEN, "callbacks.checkpoint.save_top_k=-1", "callbacks.checkpoint.filename=best"],
    [OFTEN, "callbacks.checkpoint.save_top_k=-1", "+callbacks.checkpoint.every_n_train_steps=2"],
    ["callbacks.checkpoint=null", EVERY],
    ["callbacks.checkpoint=null", OFTEN, another("all", "monitor:val/loss", "save_top_k:-1")],
    [OFTEN, "callbacks.checkpoint.save_top_k=-1", EVERY, another("b", "monitor:val/loss", "save_top_k:-1")],
]


class Saves(Callback):
    """Notes every checkpoint that is written, but last.ckpt."""

    def on_fit_start(self, trainer, pl_module):
        self.paths, save = [], trainer.save_checkpoint

        def noted(path, *args, **kwargs):
            self.paths.append(str(path))
            save(path, *args, **kwargs)

        trainer.save_checkpoint = noted


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(options, id=" ".join(options), marks=[pytest.mark.slow] * (options in KEEPING[1:4]))
        for options in KEEPING
    ],
)
def test_no_kept_checkpoint_replaces_another(options, tmp_path):
    saves = Saves()
    train_in(tmp_path / "run", "trainer.max_epochs=2", *options, callbacks=[saves])
    kept = [path for path in saves.paths if not path.endswith("last.ckpt")]
    assert len(kept) > 2 and len(set(kept)) == len(kept)
    on_disk = {str(path) for path in (tmp_path / "run").rglob("*.ckpt")} - {
        str(tmp_path / "run" / "checkpoints" / "last.ckpt")
    }
    assert on_disk == set(kept)
    steps = [torch.load(path, weights_only=True)["global_step"] for path in kept]
    assert all(
        f"{step:07d}" in path or f"step={step}" in path for step, path in zip(steps, kept, strict=True)
    )


def die():
    raise Died


TOGETHER = [OFTEN, "callbacks.checkpoint.save_top_k=2", EVERY, STALE, THREE]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder, watch = tmp_path_factory.mktemp("uninterrupted") / "run", Watch()
    train_in(folder, *TOGETHER, callbacks=[watch])
    return watch.seen, left_behind(folder), scores(folder)


def scores(folder):
    """What the callbacks of kept checkpoints remember, but for the place."""
    states = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
    return {
        key: (state["best_model_path"], state["best_model_score"], state["best_k_models"])
        for key, state in states.items()
        if "best_k_models" in state
    }


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("on_train_batch_end 5", marks=pytest.mark.slow),
        "on_validation_end 9",
        pytest.param("on_train_batch_start 13", marks=pytest.mark.slow),
    ],
)
def test_a_run_may_be_moved_and_resumed_with_any_of_them(uninterrupted, moment, tmp_path):
    hooks, expected, best = uninterrupted
    with pytest.raises(Died):
        train_in(tmp_path / "run", *TOGETHER, callbacks=[Watch(hooks.index(moment) + 1, die)])
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    train_in(tmp_path / "elsewhere", *TOGETHER, "resume=true")
    assert differences(expected, left_behind(tmp_path / "elsewhere")) == []
    assert scores(tmp_path / "elsewhere") == best and len(best) == 4
    assert all(path and "/" not in path for path, _, _ in best.values())


def test_no_path_of_the_run_counts_when_it_is_resumed(tmp_path):
    own = another("mine", "filename:mine", "every_n_train_steps:100")
    with pytest.raises(Died):
        train_in(tmp_path / "run", own, callbacks=[Watch(18, die)])
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    train_in(tmp_path / "elsewhere", own, "resume=true")


def test_a_run_of_before_keeps_its_best(tmp_path):
    """Lightning's own state, with its absolute paths, under Lightning's own key."""
    train_in(tmp_path / "run", "trainer.max_epochs=2")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    (key,) = (key for key in checkpoint["callbacks"] if key.startswith("ModelCheckpoint"))
    state = checkpoint["callbacks"].pop(key)
    there = "/where/it/was/checkpoints"
    assert state["best_model_score"] < 2 and state.pop("memory")
    state |= {"dirpath": there, "best_model_score": torch.tensor(-1.0), "kth_value": torch.tensor(-1.0)}
    state["best_k_models"] = {f"{there}/{name}": torch.tensor(-1.0) for name in state["best_k_models"]}
    for name in "best_model_path", "kth_best_model_path":
        state[name] = f"{there}/{state[name]}"
    earlier_key = key[: key.index("}") + 1]
    checkpoint["callbacks"][earlier_key] = state
    torch.save(checkpoint, last)
    before = sorted(path.name for path in last.parent.iterdir())
    train_in(tmp_path / "run", "resume=true")
    ((path, score, _),) = scores(tmp_path / "run").values()
    assert score == -1 and (last.parent / path).exists()
    assert sorted(path.name for path in last.parent.iterdir()) == before


class OneOfMyOwn(ModelCheckpoint):
    pass


EXCEPTION = "_target_:lightning.pytorch.callbacks.OnExceptionCheckpoint"
OURS = "_target_:diffusion_lightning.LastCheckpoint"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("+callbacks.checkpoint.save_last=true", "leave save_last out"),
        ("+callbacks.checkpoint.save_last=link", "leave save_last out"),
        (another("a", "save_last:true"), "leave save_last out"),
        ("+callbacks.checkpoint.enable_version_counter=true", "leave it out"),
        (another("a", "filename:'best-epoch{epoch:04d}-step{step:07d}'"), "another callback's file too"),
        (f"+callbacks.a={{{EXCEPTION},{FOLDER},filename:last}}", "last.ckpt is another callback's file too"),
        (f"+callbacks.a={{{EXCEPTION},{FOLDER},filename:non_finite}}", "another callback's file too"),
        (f"+callbacks.a={{{OURS},folder:'${{paths.run_dir}}/checkpoints'}}", "another callback's file too"),
        (f"+callbacks.a={{_target_:{__name__}.OneOfMyOwn}}", "derive it from diffusion_lightning.Model"),
    ],
)
def test_whose_files_could_be_anothers_is_refused_before_anything_is_written(option, message, tmp_path):
    with pytest.raises(Exception, match="callbacks") as refused:
        train_in(tmp_path / "run", option)
    assert message in user_message(refused.value) and not (tmp_path / "run").exists()


class WritesLast(Callback):
    """A callback of someone's own that nobody can know of."""

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 4:
            trainer.save_checkpoint(f"{trainer.default_root_dir}/checkpoints/last.ckpt")


def test_no_callback_replaces_the_last_checkpoint_by_one_of_another_moment(tmp_path):
    with pytest.raises(UserError, match=r"last.ckpt is what the run resumes from"):
        train_in(tmp_path / "run", callbacks=[WritesLast()])
    assert torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 2


def test_a_checkpoint_of_another_moment_is_not_resumed_from(tmp_path):
    with pytest.raises(Died):
        train_in(tmp_path / "run", OFTEN, callbacks=[Watch(30, die)])
    checkpoints = tmp_path / "run" / "checkpoints"
    best = next(checkpoints.glob("best-*"))
    shutil.copy(best, checkpoints / "last.ckpt")
    with pytest.raises(UserError, match=r"not written by callbacks.last"):
        train_in(tmp_path / "run", OFTEN, "resume=true")
    (checkpoints / "last.ckpt").unlink()
    with pytest.raises(UserError, match=r"already holds a run"):
        train_in(tmp_path / "run", OFTEN)
