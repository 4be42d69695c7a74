"""`diffusion-report` as a person runs it."""

import pytest

from tests.support.in_process import run_here, succeed_here
from tests.support.run_folders import write_run

REPORT = "diffusion_lightning/report.py"


@pytest.fixture
def here(tmp_path):
    write_run(tmp_path / "run")
    write_run(tmp_path / "jobs" / "lr=1,data_dir=a b", (1.0, 0.5))
    return tmp_path


def refused(*arguments, cwd):
    done = run_here(REPORT, *arguments, cwd=cwd)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_the_folder_stands_first_or_has_its_name(here):
    succeed_here(REPORT, "run", cwd=here)
    succeed_here(REPORT, "run=run", "out=pages/again.html", cwd=here)
    page = (here / "run" / "report.html").read_text()
    assert page == (here / "pages" / "again.html").read_text() and "<h1>run</h1>" in page


def test_a_folder_may_have_any_name(here):
    succeed_here(REPORT, "jobs/lr=1,data_dir=a b", "against=run", "out=page.html", cwd=here)
    assert "<h1>lr=1,data_dir=a b and run</h1>" in (here / "page.html").read_text()


def test_a_page_is_written_over_only_if_asked(here):
    succeed_here(REPORT, "run", "pictures=1", cwd=here)
    assert "run/report.html exists: add overwrite=true" in refused("run", cwd=here)
    assert (here / "run" / "report.html").read_text().count("<img") == 1
    succeed_here(REPORT, "run", "overwrite=true", cwd=here)
    assert (here / "run" / "report.html").read_text().count("<img") == 4


def test_a_sweep_has_its_page_in_its_folder(here):
    done = succeed_here(REPORT, "jobs", cwd=here)
    assert (
        "jobs/report.html: " in done.stdout and "Leaderboard" in (here / "jobs" / "report.html").read_text()
    )
    succeed_here(REPORT, "jobs", "overwrite=true", cwd=here)  # its own page is no job
