"""Runs one program in this process: `python -m benchmarks.worker <part> <case> <program>`.

The last line on stdout is a JSON list of what was measured.
"""

import json
from argparse import ArgumentParser
from importlib import import_module

from benchmarks.settings import Settings


def main() -> None:
    """Command line."""
    parser = ArgumentParser(prog="python -m benchmarks.worker", description=__doc__)
    for name in ("part", "case", "program"):
        parser.add_argument(name)
    Settings.add_to(parser)
    arguments = parser.parse_args()
    run = import_module(f"benchmarks.{arguments.part}").run
    rows = run(arguments.case, arguments.program, Settings.of(arguments))
    named = [{"case": arguments.case, "program": arguments.program, **row} for row in rows]
    print("\n" + json.dumps(named))


if __name__ == "__main__":
    main()
