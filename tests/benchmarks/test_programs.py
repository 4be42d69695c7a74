"""The benchmarks run, and what they count is so; what they measure on a busy machine means nothing."""

import pytest
import torch

from benchmarks import ours, overhead, profile, sampling
from benchmarks.__main__ import kept, save
from benchmarks.findings import findings
from benchmarks.parts import ONLY, PARTS, WHOLE
from benchmarks.report import report
from benchmarks.settings import Settings

QUICK = Settings(quick=True, batch=2)


@pytest.mark.parametrize("program", ["plain", "lightning"])
def test_training_steps_are_timed(program):
    (row,) = overhead.run("tiny", program, QUICK)
    assert len(row["seconds"]) >= 2 and min(row["seconds"]) > 0 and row["images"] == 1


def test_an_evaluation_within_a_walk_has_the_flop_of_its_branches():
    guided, plain = (sampling.run("mnist", name, QUICK)[0] for name in ("ours-guided", "ours"))
    assert guided["flop"] == 2 * plain["flop"]
    # A 3x3 convolution of 2 images of 28x28 from 32 to 32 channels alone is this part of it
    assert plain["flop"] > 2 * 2 * 9 * 32 * 32 * 28 * 28


def test_kinds_of_operations_make_up_a_step():
    rows = {row["program"]: row["seconds"][0] for row in profile.run("mnist sampling", "all", QUICK)}
    assert {"convolutions", "norms", "activations", "attention", WHOLE, ONLY} <= set(rows)
    assert rows["convolutions"] > rows["attention"] > 0


def test_what_an_operation_calls_is_a_part_of_it():
    """Autocast's cast of a convolution's input is a cast; the copy within it is not counted as a copy."""
    x, layer = torch.randn(4, 8, 8, 8), torch.nn.Conv2d(8, 8, 3)

    def step():
        with torch.autocast("cpu", torch.bfloat16):
            return layer(x)

    found = profile.kinds(step, 2)
    assert found["casts"][0] > 0 and found["convolutions"][0] > 0 and "copies" not in found


def test_the_report_says_what_its_rows_say():
    def spread(s):
        return {"median": s, "min": s, "max": s, "count": 1}

    profiled = [("mnist training", WHOLE, 3.0), ("mnist training", ONLY, 2.0)]
    quality = [("digits", "ddim, 5 evaluations", 1.0, 0.5), ("digits", "ddim, 10 evaluations", 2.0, 0.2)]
    quality += [("digits", "ddim, 20 evaluations", 4.0, 0.19)]
    measured = {"date": "", "commit": "", "versions": {}, "device": "cpu", "quick": False, "rounds": 1}
    rows = {
        "profile": [{"case": c, "program": p, "seconds": spread(s)} for c, p, s in profiled],
        "quality": [{"case": c, "program": p, "seconds": spread(s), "FID": f} for c, p, s, f in quality],
    }
    machine = {"name": "here", "gpu": None, "cpu": "one", "cores": 1, "threads": 1, "instructions": None}
    results = {"machine": machine, "parts": {name: {**measured, "rows": r} for name, r in rows.items()}}
    assert findings("profile", results) == ["mnist training: 1.50 × its convolutions and products alone."]
    (said,) = findings("quality", results)
    assert "FID 0.19 at best" in said
    assert "1.5 × in 2 s (10 evaluations), 1.2 × in 2 s (10 evaluations)" in said
    assert said in report(results) and set(rows) <= set(PARTS)


def test_images_have_the_shape_of_the_config():
    assert ours.shape_of(ours.composed("mnist", QUICK, "dataset.image_size=16")) == (1, 16, 16)
    assert ours.shape_of(ours.composed("cifar10", QUICK)) == (3, 32, 32)


def test_the_report_of_another_machine_of_the_same_name_is_kept(tmp_path):
    path = tmp_path / "cpu-2cores.json"
    fast = {"name": "cpu-2cores", "cpu": "CPU", "cores": 2, "instructions": "AVX512", "gpu": None}
    assert kept(path, fast) == {}
    save(path, {**fast, "threads": 2}, {})
    before = path.read_bytes()
    assert kept(path, fast) == {}
    with pytest.raises(SystemExit, match=r"AVX512.*AVX2.*--name"):
        kept(path, {**fast, "instructions": "AVX2"})
    assert path.read_bytes() == before
