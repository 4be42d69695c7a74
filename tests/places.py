"""Some tests in other places: `python -m tests.places`, or `make test-places`.

In another time zone, in a locale whose texts are not UTF-8, in a home folder with spaces and letters outside
ASCII: what writes files, names folders by the time, keeps a cache, and the commands.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = [
    *("tests/test_files.py", "tests/test_tables.py", "tests/test_platforms.py"),
    *("tests/commands/test_run_names.py", "tests/commands/test_command_line.py"),
    # The commands' own tests take long; these write and read all that a run leaves
    *("-k", "not command_line or leaves_its_files or evaluation_format or goes_on_in_place"),
]


PLACES = {
    "Kiritimati, C": {"TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
    "Berlin, Latin-1": {"TZ": "Europe/Berlin", "LC_ALL": "de_DE.ISO-8859-1", "LANGUAGE": "de"},
}


def main() -> int:
    """Run the tests in all places at once; the exit code is that of the first that fails, or 0."""
    with tempfile.TemporaryDirectory(prefix="places ") as folder:
        locales = Path(folder) / "locales"
        german = locales / "de_DE.ISO-8859-1"
        locales.mkdir()
        # Few machines have a locale without UTF-8; glibc's is made where its sources are
        subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", german], check=False)
        running = {}
        for name, place in PLACES.items():
            home = Path(folder) / f"größe {len(running)}"
            home.mkdir()
            env = os.environ | place | {"HOME": str(home), "USERPROFILE": str(home), "LOCPATH": str(locales)}
            options = ["-q", "-p", "no:cacheprovider", f"--basetemp={home / 'tests'}"]
            running[name] = subprocess.Popen([sys.executable, "-m", "pytest", *options, *TESTS], env=env)
        codes = {name: process.wait() for name, process in running.items()}
    for name, code in codes.items():
        print(f"{name}: {'passed' if code == 0 else 'failed'}")
    return next(filter(None, codes.values()), 0)


if __name__ == "__main__":
    raise SystemExit(main())
