import re
import resource
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from diffusion_lightning import speed
from diffusion_lightning.checkpoints.reader import load_denoiser, read_checkpoint
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.parameterizations import Eps
from diffusion_lightning.diffusion.schedules import Linear
from diffusion_lightning.errors import UserError
from diffusion_lightning.networks import UNet
from diffusion_lightning.speed import Speed, lacks_to_compile
from tests.support.fitting import fit, module
from tests.support.networks import perturb
from tests.support.runs import PROCESSES, history, start, train_in

CPU_INFO = Path("/proc/cpuinfo")


@pytest.mark.parametrize("has_bf16", [True, False])
def test_the_precision_follows_the_hardware(has_bf16):
    def chosen(speed, device):
        return speed.chosen(device, 1, training=True, has_bf16=lambda _: has_bf16).precision

    for device in "cpu", "cuda":
        assert chosen(Speed(), device) == ("bf16-mixed" if has_bf16 else "32-true")
        assert chosen(Speed(precision="16-mixed"), device) == "16-mixed"
    assert Speed().chosen("mps", 1, training=True).precision == "32-true"


@pytest.mark.skipif(not CPU_INFO.is_file(), reason="Linux lists what a processor can do")
def test_this_processor_multiplies_bfloat16_if_linux_says_so():
    flags = re.findall(r"^(?:flags|Features)\s*:(.*)", CPU_INFO.read_text(), re.MULTILINE)[0].split()
    expected = "bf16-mixed" if {"avx512_bf16", "amx_tile"} & set(flags) else "32-true"
    assert Speed().chosen("cpu", 1, training=True).precision == expected


def test_a_compilation_must_be_worth_its_time():
    def chosen(speed, device, evaluations, training, lacking=None):
        return speed.chosen(device, evaluations, training, lambda _: True, lambda _: lacking).compile

    for device, evaluations, training, compiled in (
        ("cuda", 1e5, True, True),
        ("cuda", float("inf"), True, True),
        ("cuda", 1e5, False, "reduce-overhead"),
        ("cuda", 100, True, False),
        ("cpu", 1e9, True, False),
    ):
        assert chosen(Speed(), device, evaluations, training) == compiled
        assert chosen(Speed(compile=False), device, evaluations, training) is False
        assert chosen(Speed(compile=True), device, evaluations, training) is True
    assert chosen(Speed(), "cuda", 1e5, True, lacking="a compiler") is False


@pytest.mark.parametrize(
    ("device", "capability", "installed", "lacking"),
    [
        ("cpu", None, {"g++"}, None),
        ("cpu", None, {"gcc"}, r"a C\+\+ compiler \(g\+\+\), and none is installed"),
        ("cuda", (7, 0), {"clang"}, None),
        ("cuda", (9, 0), {"gcc"}, None),
        ("cuda", (6, 1), {"gcc"}, r"a GPU of compute capability 7\.0 or later"),
        ("cuda", (8, 0), {"g++"}, r"a C compiler \(gcc or clang\), and none is installed"),
    ],
)
def test_what_a_compilation_lacks_is_named(device, capability, installed, lacking, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.which", lambda name: name if name in installed else None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    found = lacks_to_compile(device)
    assert found is None if lacking is None else re.fullmatch(lacking, found)


def test_a_compiler_of_ones_own_is_looked_for(monkeypatch):
    monkeypatch.setenv("CXX", "my-compiler")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UserError, match=r"needs a C\+\+ compiler \(my-compiler\).*set speed.compile=false"):
        Speed(compile=True).compile_in_place(network())


def test_graphs_are_not_recorded_where_gradients_are_added_up():
    with pytest.raises(UserError, match=r"reduce-overhead .*accumulate_grad_batches.*speed\.compile=true"):
        fit(module(speed=Speed(compile="reduce-overhead")), accumulate_grad_batches=2)


def test_float32_is_not_rounded_to_tf32():
    torch.backends.cudnn.allow_tf32 = True
    Speed("32-true").prepare_process()
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("bad", [{"precision": "bf16"}, {"compile": "fast"}])
def test_unknown_names_are_refused(bad):
    with pytest.raises(UserError, match=rf"^{next(iter(bad))} is .*, "):
        Speed(**bad)


def losses(folder):
    return torch.tensor([float(row["train/loss"]) for row in history(folder) if row["train/loss"]])


@pytest.mark.slow
def test_bfloat16_learns_as_float32_does(tmp_path):
    """The same curve, up to rounding; docs/speed.md has a longer run."""
    options = ["trainer.max_epochs=4", "trainer.log_every_n_steps=1", "optimizer.lr=3e-3", "warmup_images=0"]
    options += ["callbacks.sample_grid=null"]
    curves = []
    for precision in "32-true", "bf16-mixed":
        train_in(tmp_path / precision, *options, f"speed.precision={precision}")
        curves.append(losses(tmp_path / precision))
    plain, bf16 = curves
    assert len(plain) == 24 and plain[-4:].mean() < 0.7 * plain[0]
    assert not torch.equal(plain, bf16)
    torch.testing.assert_close(plain, bf16, rtol=0.02, atol=0)


@pytest.mark.slow
def test_compiled_in_place_once_for_all_batch_sizes(tmp_path, monkeypatch):
    """One graph with gradients, one without; last batches and grids of other sizes add none."""
    graphs = []

    def counting(graph, inputs):
        graphs.append(graph)
        return graph.forward

    # Traced but not compiled, which takes long: each traced graph would be compiled
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counting))
    options = ["network.channel_mults=[1]", "network.attention_resolutions=[]", "trainer.max_epochs=2"]
    options += ["dataset.batch_size=100", "trainer.limit_val_batches=1.0", "speed.precision=32-true"]
    # On a CPU torch treats convolutions of fewer than 16 images differently
    options += ["callbacks.sample_grid.num_images=20"]
    train_in(tmp_path / "compiled", *options, "speed.compile=true")
    assert len(graphs) == 2
    train_in(tmp_path / "eager", *options, "speed.compile=false")
    compiled, eager = (read_checkpoint(tmp_path / name) for name in ("compiled", "eager"))
    for state in "state_dict", "current_model_state":
        assert list(compiled[state]) == list(eager[state])
        for name, value in eager[state].items():
            torch.testing.assert_close(compiled[state][name], value, rtol=1e-4, atol=1e-6)
    load_denoiser(compiled)


def network(**options):
    torch.manual_seed(0)
    return perturb(UNet(1, 8, 10, 8, (1, 2), 1, attention_resolutions=(4,), dropout=0.2, **options))


def inputs():
    rng = torch.Generator().manual_seed(1)
    return torch.randn(6, 1, 8, 8, generator=rng), torch.full((6,), 500.0), torch.arange(6)


def gradients_and_bytes(model):
    """Gradients, and the bytes kept for them."""
    kept = 0

    def pack(x):
        nonlocal kept
        kept += x.nbytes
        return x

    torch.manual_seed(2)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        loss = model(*inputs()).square().sum()
    loss.backward()
    return [p.grad for p in model.parameters()], kept


def test_gradient_checkpointing_keeps_less_and_changes_nothing():
    """With dropout: the second forward drops the same units as the first."""
    checkpointed = network()
    Speed(gradient_checkpointing=True).lay_out(checkpointed)
    (expected, kept), (found, kept_less) = gradients_and_bytes(network()), gradients_and_bytes(checkpointed)
    assert kept_less < 0.5 * kept
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(a, b)


def test_a_network_without_checkpointing_says_so():
    with pytest.raises(UserError, match="Conv2d has no gradient_checkpointing"):
        Speed(gradient_checkpointing=True).lay_out(nn.Conv2d(1, 1, 1))


def test_channels_last_changes_nothing():
    other = network().eval()
    expected = other(*inputs())
    Speed(channels_last=True).lay_out(other)
    assert other.down[0].body.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(other(*inputs()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_run_resumes_in_another_memory_format(tmp_path):
    """A fused step would mix up the states of different weights."""
    options = ["speed=plain", "callbacks.sample_grid=null"]
    train_in(tmp_path / "whole", *options)
    train_in(tmp_path / "changed", *options, "trainer.max_epochs=1")
    train_in(tmp_path / "changed", *options, "speed.channels_last=true", "resume=true")
    whole, changed = (
        read_checkpoint(tmp_path / name)["current_model_state"] for name in ("whole", "changed")
    )
    for name, weight in whole.items():
        torch.testing.assert_close(changed[name], weight, rtol=1e-3, atol=1e-4)


def count_page_faults(faults):
    def new_pages():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            torch.zeros(2**24)  # 64 MB, which glibc never keeps by itself
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    new_pages()
    faults.put(new_pages())
    speed.keep_freed_memory()
    new_pages()
    faults.put(new_pages())


def test_freed_memory_is_used_again():
    faults = PROCESSES.Queue()
    process = start(count_page_faults, faults)
    before, after = faults.get(timeout=60), faults.get(timeout=60)
    process.join()
    assert before > 40_000 and after < before / 20


def test_only_the_network_computes_in_lower_precision():
    """Decoded images stay float32, near those of a float32 network, and exact where that is asked for."""
    denoiser = Denoiser(network().eval(), Linear(), Eps())
    level = denoiser.schedule.level(0.5)
    x, y = torch.randn(8, 1, 8, 8), torch.arange(8)
    with torch.no_grad():
        exact = denoiser.x0(x, level, y)
        denoiser.dtype = torch.bfloat16
        lower = denoiser.x0(x, level, y)
        with denoiser.in_float32():
            assert torch.equal(denoiser.x0(x, level, y), exact)
    assert lower.dtype == torch.float32 and not torch.equal(lower, exact)
    assert (lower - exact).abs().max() < 0.1


@pytest.mark.slow
def test_a_compiled_run_resumes_as_an_eager_one(tmp_path):
    """With the real compiler: the same weights up to rounding, and with dropout."""
    train_in(tmp_path / "dropout", "network.dropout=0.1", "speed.compile=true", "trainer.max_epochs=1")
    options = ["network.channel_mults=[1]", "speed.precision=32-true", "callbacks.sample_grid=null"]
    train_in(tmp_path / "eager", *options)
    train_in(tmp_path / "half", *options, "speed.compile=true", "trainer.max_epochs=1")
    train_in(tmp_path / "half", *options, "resume=true")
    eager, half = (read_checkpoint(tmp_path / name)["current_model_state"] for name in ("eager", "half"))
    for name, weight in eager.items():
        torch.testing.assert_close(half[name], weight, rtol=1e-3, atol=1e-4)
