"""Each private part of another library does what compat.py says; a version that changed it fails here."""

import io
import sys
from pathlib import Path

import hydra
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger
from lightning.pytorch.plugins.precision import MixedPrecision
from omegaconf import OmegaConf
from torchvision.datasets import utils

from diffusion_lightning import compat
from diffusion_lightning.config.paths import conf_folder
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors import Inception
from diffusion_lightning.figures import new_figure
from diffusion_lightning.loggers import MetricsCSV, TensorBoard


def hide(monkeypatch, *modules):
    """Make imports of these modules fail, as if they were not installed."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


OPTIONAL = [
    (("matplotlib", "matplotlib.figure"), "plots", lambda folder: new_figure(1, [1])),
    (
        ("torch_fidelity", "torch_fidelity.feature_extractor_inceptionv3"),
        "evaluation",
        lambda folder: Inception(),
    ),
    (("tensorboard",), "tensorboard", TensorBoard),
]


@pytest.mark.parametrize(("modules", "extra", "use"), OPTIONAL, ids=[extra for _, extra, _ in OPTIONAL])
def test_without_an_optional_library_the_error_names_the_extra(modules, extra, use, monkeypatch, tmp_path):
    hide(monkeypatch, *modules)
    with pytest.raises(UserError, match=rf"pip install 'diffusion-lightning\[{extra}\]'"):
        use(tmp_path)


def test_with_the_library_tensorboard_logs(tmp_path):
    logger = TensorBoard(str(tmp_path), name="tensorboard", version="")
    logger.log_metrics({"loss": 1.0}, step=3)
    logger.save()
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_the_table_of_digits_is_where_scikit_learn_keeps_it():
    """tests/data/test_digits.py compares what is in it."""
    assert compat.digits_file().is_file()


@pytest.mark.parametrize("options", [["seed"], ["nothing=1"], ["--config-dir", "nowhere"]])
def test_hydra_hands_over_errors_of_the_command_line(options, monkeypatch, tmp_path):
    class Reported(Exception):
        pass

    def report(error):
        raise Reported from error

    (tmp_path / "config.yaml").write_text("seed: 0\n")
    monkeypatch.setattr(hydra._internal.utils, "run_and_report", None)  # put back after the test
    monkeypatch.setattr(sys, "argv", ["command", *options])
    compat.report_hydra_errors(report)
    with pytest.raises(Reported):
        hydra.main(version_base="1.3", config_path=str(tmp_path), config_name="config")(print)()


def test_hydra_lists_the_options_of_a_group_as_before(monkeypatch):
    from hydra import initialize_config_dir
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.global_hydra import GlobalHydra

    def listed():
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            groups = "", "sampler", "hydra", "hydra/launcher", "nothing"
            return [(loader.get_group_options(group), loader.list_groups(group)) for group in groups]

    monkeypatch.setattr(ConfigLoaderImpl, "get_group_options", ConfigLoaderImpl.get_group_options)
    before = listed()
    compat.list_groups_once()
    assert listed() == before and "ddim" in before[1][0]


def test_a_node_knows_the_whole_config():
    cfg = OmegaConf.create({"a": {"b": {"c": 1}}, "d": 2})
    assert compat.whole_config(cfg.a.b) is cfg and compat.whole_config(cfg) is cfg


def test_the_writer_keeps_what_is_in_the_file(tmp_path):
    def log(logger, metrics, step):
        logger.log_metrics(metrics, step)
        logger.save()

    file = tmp_path / "metrics.csv"
    log(MetricsCSV(str(tmp_path)), {"a": 1.0}, 0)
    log(MetricsCSV(str(tmp_path)), {"a": 2.0}, 1)
    assert file.read_text().split() == ["a,step", "1.0,0", "2.0,1"]
    log(MetricsCSV(str(tmp_path)), {"b": 3.0}, 2)
    assert file.read_text().split() == ["a,b,step", "1.0,,0", "2.0,,1", ",3.0,2"]
    # Lightning's own deletes it: the reason for ours
    log(CSVLogger(str(tmp_path), name="", version=""), {"a": 4.0}, 3)
    assert file.read_text().split() == ["a,step", "4.0,3"]


def test_lightning_clips_with_a_fused_optimizer_only_if_it_is_allowed():
    weight = torch.nn.Parameter(torch.zeros(4))
    optimizer = torch.optim.Adam([weight], fused=True)
    precision = MixedPrecision("bf16-mixed", "cpu")
    weight.grad = torch.full((4,), 3.0)
    with pytest.raises(RuntimeError, match="gradient clipping"):
        precision.clip_gradients(optimizer, 1.0)
    compat.allow_clipping(optimizer)
    precision.clip_gradients(optimizer, 1.0)
    assert weight.grad.norm().item() == pytest.approx(1, rel=1e-5)
    optimizer.step()
    assert weight.detach().tolist() == pytest.approx([-1e-3] * 4)


def test_the_step_of_lightnings_logs_can_be_set(tmp_path):
    logged = []

    class Recorder(Logger):
        name = version = "recorder"

        def log_hyperparams(self, *args, **kwargs):
            pass

        def log_metrics(self, metrics, step=None):
            logged.append(step)

    trainer = Trainer(logger=Recorder(), accelerator="cpu", enable_progress_bar=False)
    compat.set_logged_step(trainer.fit_loop.epoch_loop, 7)
    trainer._logger_connector.log_metrics({"loss": 1.0})
    assert logged == [7]


def test_bfloat16_is_what_the_processor_says():
    cpu = Path("/proc/cpuinfo")
    flags = set(cpu.read_text().split()) if cpu.exists() else set()
    if "avx2" not in flags:
        pytest.skip("no x86 processor whose flags Linux tells")
    assert compat.cpu_multiplies_bf16() == bool(flags & {"avx512_bf16", "amx_tile"})


def test_a_compiled_module_runs_uncompiled_for_a_while():
    layers = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
    ran = []
    layers.compile(backend=lambda graph, inputs: lambda *given: ran.append(1) or graph(*given))
    layers[1].compile(backend=lambda graph, inputs: lambda *given: ran.append(1) or graph(*given))
    x = torch.randn(3, 2)
    compiled = layers(x)
    assert ran
    ran.clear()
    with compat.uncompiled(layers):
        assert layers(x).equal(compiled) and not ran
    layers(x)
    assert ran


def test_lightning_asks_for_a_sigterm_in_one_place(monkeypatch):
    from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop

    assert "_broadcast_sigterm_tensor" in _TrainingEpochLoop.advance.__code__.co_names
    asked = []
    monkeypatch.setattr(_TrainingEpochLoop, "_broadcast_sigterm_tensor", lambda loop: asked.append(loop))
    trainer = Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor()
    assert len(asked) == 1
    compat.never_ask_for_sigterm(trainer)
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor()
    assert len(asked) == 1


def test_tensors_move_in_one_call():
    a, b = torch.randn(3), torch.randn(2, 2)
    ends = [torch.randn(3), torch.randn(2, 2)]
    expected = [a.lerp(ends[0], 0.25), b.lerp(ends[1], 0.25)]
    compat.lerp_all([a, b], ends, 0.25)
    torch.testing.assert_close([a, b], expected)


def test_a_model_checkpoint_leaves_out_of_its_state_what_decides_when_it_saves(tmp_path):
    """Were they in it, `checkpoint_memory` would not be needed."""
    one, other = (ModelCheckpoint(str(tmp_path), monitor="val/loss", every_n_train_steps=3) for _ in range(2))
    memory = compat.checkpoint_memory(one)
    assert memory == {"_last_global_step_saved": 0, "_defer_save_until_validation": False}
    compat.remember_checkpoint(one, {"_last_global_step_saved": 7, "_defer_save_until_validation": True})
    other.dirpath = one.dirpath
    other.load_state_dict(one.state_dict())
    assert compat.checkpoint_memory(other) == memory
    compat.remember_checkpoint(other, compat.checkpoint_memory(one) | {"dirpath": "another"})
    assert compat.checkpoint_memory(other) == compat.checkpoint_memory(one) and other.dirpath == one.dirpath


def test_torchvision_downloads_without_a_bar():
    def disabled():
        with utils.tqdm(total=1, file=io.StringIO()) as bar:
            return bar.disable

    assert "tqdm" in utils._urlretrieve.__code__.co_names
    assert not disabled()
    with compat.without_download_bars():
        assert disabled()
    assert not disabled()
