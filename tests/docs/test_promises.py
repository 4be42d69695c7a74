"""What the pages promise and no other test looks at: their commands compose, their lists are whole."""

import json
import re
import shlex
import sys

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf, open_dict

from benchmarks import quality
from diffusion_lightning.commands.arguments import readable
from diffusion_lightning.commands.unread import check_read
from diffusion_lightning.config.instantiate import instantiate
from tests.docs.test_pages import PAGES, PROJECT
from tests.support.command import SMALL
from tests.support.configs import CONF, composed, names
from tests.support.in_process import succeed_here
from tests.support.pages import read

PROGRAM = re.compile(r"(?:python |diffusion-)(train|sample|evaluate)(?:\.py)?(?: |$)|docs/train\.sbatch ")


def commands():
    """Every command line in the pages' blocks and between backticks: its program and its options."""
    found = set()
    for page in PAGES:
        text = re.sub(r"<[^>\n]*>|CKPT", "run", read(page).replace("\\\n", " "))
        blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
        prose = re.sub(r"```.*?```", "", text, flags=re.S)
        lines = [line for block in blocks for line in block.splitlines()]
        lines += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
        for line in lines:
            if line.startswith("#") or not (program := PROGRAM.search(f"{line} ")):
                continue
            words = shlex.split(line[program.end() - 1 :], comments=True)
            options = [word for word in words if "=" in word and word[0] != "-"]
            if "--config-dir" not in words and not any("my_" in word for word in words):
                found.add((program[1] or "train", *options))
    return sorted(found)


def first(option):
    """The first value of a sweep, or a value within an interval; other options unchanged."""
    override = OverridesParser.create().parse_override(readable(option))
    if not override.is_sweep_override():
        return [readable(option)]
    if not override.is_discrete_sweep():
        return [f"{override.get_key_element()}={override.value().start}"]
    return [f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"]


def enough():
    """Those of the commands that have an option which no longer one has."""
    seen, chosen = set(), []
    for program, *options in sorted(commands(), key=len, reverse=True):
        new = {(program, option) for option in options} - seen
        seen |= new
        chosen += [(program, *options)] if new else []
    return chosen


@pytest.mark.parametrize("command", enough(), ids=" ".join)
def test_a_command_of_the_pages_composes_and_all_of_it_is_read(command):
    program, *options = command
    cfg = composed(program, *(part for option in options for part in first(option)))
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    check_read(cfg, program)


def test_there_are_commands_to_look_at():
    programs = [program for program, *_ in commands()]
    assert min(programs.count(name) for name in ("train", "sample", "evaluate")) > 5


def test_the_page_lists_the_extras():
    rows = re.findall(r"^\| (`[^|]+`) \|", read("docs/install.md"), re.M)
    listed = {extra for row in rows for extra in re.findall(r"`(\w+)`", row)}
    assert listed == set(PROJECT["optional-dependencies"]) - {"dev", "bench"}


def test_the_table_of_speed_says_what_was_measured():
    table = re.findall(r"^\| (?:training|sampling), .*$", read("docs/speed.md"), re.M)
    assert len(table) == 8
    measured = read("benchmarks/results/amd-epyc-2cores.md")
    for row in table[:4]:
        for number in re.findall(r"\| ([\d.,]+)", row):
            assert re.search(rf"\| {re.escape(number.removesuffix('.0'))}[ (]", measured), row
    for row in table[4:]:
        for ratio in re.findall(r"\| ([\d.]+)", row):
            assert f" {ratio} × " in measured, row
    ours, theirs = (int(number) for number in re.findall(r"\| (\d+)", table[0])[:2])
    assert f"{ours / theirs:.1f} times as fast as diffusers" in read("README.md")


SAMPLERS = {
    "DDIM": ("ddim", "DDIMScheduler"),
    "DDPM": ("ddpm", "DDPMScheduler"),
    "DPM-Solver++": ("dpm_solver_pp", "DPMSolverMultistepScheduler"),
    "DEIS": ("deis", "DEISMultistepScheduler"),
    "Heun": ("heun", "HeunDiscreteScheduler"),
    "UniPC": (None, "UniPCMultistepScheduler"),
}
"""The names on the page, and those in the report."""


def measured_quality(case):
    """The rows of the report's part quality for a data set: (program, evaluations, row)."""
    report = json.loads(read("benchmarks/results/amd-epyc-2cores.json"))
    for row in report["parts"]["quality"]["rows"]:
        if row["case"] == case:
            program, evaluations = re.fullmatch(r"(\w+), (\d+) evaluations", row["program"]).groups()
            yield program, int(evaluations), row


def test_the_table_of_quality_says_what_was_measured():
    def measured(case, wanted):
        return ", ".join(
            f"{row['FID']:.3g}" for program, _, row in measured_quality(case) if program == wanted
        )

    page = read("docs/speed.md")
    for name, (ours, theirs) in SAMPLERS.items():
        said = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", page, re.M)[0].split("|")
        wanted = [
            measured(case, program) for case in ("digits", "mnist", "cifar10") for program in (ours, theirs)
        ]
        assert [cell.strip() for cell in said] == wanted


def test_the_first_page_names_the_samplers_that_were_soonest_and_best():
    table = read("README.md").partition("| | the default |")[2]
    for case, name in (("digits", "digits"), ("mnist", "MNIST"), ("cifar10", "CIFAR-10")):
        ours = [measured for measured in measured_quality(case) if measured[0] in names("sampler")]
        best = min(ours, key=lambda measured: measured[2]["FID"])
        good = [measured for measured in ours if measured[2]["FID"] <= 1.5 * best[2]["FID"]]
        soonest = min(good, key=lambda measured: (measured[1], measured[2]["FID"]))
        default = next(measured for measured in ours if measured[:2] == ("ddim", 50))
        said = re.findall(rf"^\| {name} \|(.*)\|$", table, re.M)[0].replace("*", "").split("|")
        for (sampler, steps, row), cell in zip((default, soonest, best), said, strict=True):
            seconds = float(f"{row['seconds']['median']:.2g}")
            assert f"{row['FID']:.3g} in {seconds:g} s" in cell
            if row is not default[2]:
                (command,) = re.findall("`(.*)`", cell)
                drawn = instantiate(composed("sample", *command.split(), "checkpoint=x").sampler)
                assert drawn == quality.our_sampler(sampler, evaluations=steps)


def test_a_run_has_the_folder_of_its_data_set_and_time():
    for dataset in names("dataset"):
        cfg = composed("train", f"dataset={dataset}")
        HydraConfig.instance().set_config(cfg)
        assert re.fullmatch(rf"outputs/{dataset}/\d{{4}}-\d\d-\d\d_\d\d-\d\d-\d\d.*", cfg.hydra.run.dir)


@pytest.mark.parametrize("kind", ["launcher", "sweeper"])
def test_launchers_and_sweepers_have_the_settings_that_the_page_says(kind):
    rows = re.findall(rf"^\| `hydra/{kind}=(\w+)` \|.*\| (.*) \|$", read("docs/scaling.md"), re.M)
    assert {name for name, _ in rows} == set(names(f"hydra/{kind}"))
    for name, settings in rows:
        for command in "train", "sample", "evaluate":
            node = composed(command, f"hydra/{kind}={name}").hydra[kind]
            for setting in re.findall(r"`(?:hydra\.\w+)?\.?([\w.]+?)(?:=(\w+))?`", settings):
                key, value = setting[0].removeprefix(f"{kind}."), setting[1]
                assert OmegaConf.select(node, key, default="absent") != "absent", key
                assert not value or str(OmegaConf.select(node, key)) == value, key


PARTS = {
    "parameterization": (
        """
class Part(dl.Eps):
    "ε, doubled."
    def target(self, x0, eps, alpha, sigma):
        return 2 * eps
    def x0(self, output, x_t, alpha, sigma):
        return super().x0(output / 2, x_t, alpha, sigma)
    def x0_gain(self, alpha, sigma):
        return super().x0_gain(alpha, sigma) / 2
""",
        {},
    ),
    "objective": (
        """
class Part(dl.Objective):
    "Every timestep twice."
    def weight(self, alpha, sigma, p):
        return 2 * torch.ones_like(alpha)
""",
        {},
    ),
    "times": (
        """
class Part(dl.TimeDistribution):
    "Late times."
    def __call__(self, schedule, n):
        return 1 - 0.5 * torch.rand(n, dtype=torch.float64)
""",
        {},
    ),
    "lr_schedule": (
        """
class Part(dl.LearningRateSchedule):
    "A line to 0."
    def __call__(self, progress):
        return 1 - progress
""",
        {},
    ),
    "network": (
        """
class Part(torch.nn.Module):
    "One convolution."
    def __init__(self, channels, num_classes):
        super().__init__()
        self.num_classes, self.layer = num_classes, torch.nn.Conv2d(channels, channels, 3, padding=1)
    def forward(self, x_t, time, y):
        return self.layer(x_t)
""",
        {"channels": "${dataset.image_channels}", "num_classes": "${dataset.num_classes}"},
    ),
    "clamp": (
        "\nclass Part(dl.Clamp):\n    'tanh.'\n    def __call__(self, x0):\n        return x0.tanh()\n",
        {},
    ),
    "sampler/grid": (
        """
class Part(dl.Grid):
    "Even in t."
    def times(self, schedule, u, t_start, t_1):
        return t_1 + u * (t_start - t_1)
""",
        {},
    ),
    "extractor": ("\nclass Part(torch.nn.Flatten):\n    'The pixels.'\n", {}),
    "task": (
        """
class Part(dl.Task):
    "One image."
    def __call__(self, request, out):
        images = request.draw(request.noise([0]), request.y(1))
        return dl.save_grid(images, out / "one.png")
""",
        {},
    ),
    "format": (
        """
class Part(dl.Format):
    "The label."
    def __call__(self, exported, out):
        (out / "label.txt").write_text(str(exported.label))
        return "read label.txt"
""",
        {},
    ),
    "callbacks": (
        """
class Part(lightning.pytorch.Callback):
    "Leaves a file."
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
    def on_train_end(self, trainer, pl_module):
        (self.folder / "mine").touch()
""",
        {"folder": "${paths.run_dir}"},
    ),
}
"""Kind → one class, and the options of its YAML; docs/extending.md has the other four kinds."""


def test_a_part_of_any_kind_is_one_python_file_and_one_yaml(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    chosen, modules = {}, [f"part_{kind.replace('/', '_')}" for kind in PARTS]
    for (kind, (code, options)), module in zip(PARTS.items(), modules, strict=True):
        head = "import pathlib\nimport lightning\nimport torch\nimport diffusion_lightning as dl\n"
        (tmp_path / f"{module}.py").write_text(head + code)
        folder = tmp_path / "conf_of_mine" / kind
        folder.mkdir(parents=True, exist_ok=True)
        node = {"_target_": f"{module}.Part", **options}
        text = {"defaults": ["default", "_self_"], "mine": node} if kind == "callbacks" else node
        (folder / "mine.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(text)))
        chosen[kind] = f"{kind}=mine"
    small = [option for option in SMALL if not option.startswith("network")]
    where, drawing = ["--config-dir", "conf_of_mine"], [chosen["clamp"], chosen["sampler/grid"]]
    of_training = [option for kind, option in chosen.items() if kind not in ("task", "format")]
    succeed_here("train.py", *where, *of_training, *small, "hydra.run.dir=run", cwd=tmp_path)
    assert (tmp_path / "run" / "mine").exists()
    of_model = ["checkpoint=run", f"trust=[{','.join(modules)}]", "sampler.steps=2"]
    succeed_here("sample.py", *where, *of_model, *drawing, chosen["task"], "out=drawn", cwd=tmp_path)
    assert (tmp_path / "drawn" / "one.png").exists()
    succeed_here(
        "evaluate.py", *where, *of_model, *drawing, "num_images=4", "metrics=[fid]", "out=m", cwd=tmp_path
    )
    assert (tmp_path / "m" / "evaluation.json").exists()
    exported = [*where, *of_model[:2], chosen["format"], "out=exported"]
    succeed_here("diffusion_lightning/export.py", *exported, cwd=tmp_path)
    assert (tmp_path / "exported" / "label.txt").exists()
    for module in modules:
        sys.modules.pop(module, None)


def test_the_kinds_of_the_map_are_those_that_are_tried():
    rows = re.findall(
        r"^\| ([\w ]+?)(?: of `sample.py`)? \|.*\| `conf/([\w/]+)/` \|$", read("docs/architecture.md"), re.M
    )
    recipes = {"schedule", "sampler", "dataset", "metrics"}
    assert {folder for _, folder in rows} == set(PARTS) | recipes | {"guidance"}  # a field of `Guidance`
    assert {path.name for path in CONF.iterdir()} >= {folder.partition("/")[0] for _, folder in rows}
