"""The config of a run, and what differs between two."""

from diffusion_lightning.config.options import decisive, flat
from diffusion_lightning.runs.run import Run
from diffusion_lightning.runs.tables import Named, Table, text


def config_table(name: str, run: Run) -> Table:
    """Every option of a run."""
    rows = tuple((key, text(value)) for key, value in flat(run.config))
    return Table(f"config of {name}", ("option", "value"), rows)


def difference(runs: Named) -> Table:
    """The options in which two runs differ; first those that decide the weights."""
    one, other = (_placed(run) for run in runs.values())
    deciding = {key for run in runs.values() for key, _ in flat(decisive("train", run.config))}
    keys = [key for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]
    rows = tuple(
        (key, one.get(key, "not set"), other.get(key, "not set"), "yes" if key in deciding else "no")
        for key in sorted(keys, key=lambda key: (key not in deciding, key))
    )
    return Table("config: what differs", ("option", *runs, "decides the weights"), rows)


def _placed(run: Run) -> dict[str, str]:
    """The full key and the text of every option; the run's own folder is `.`."""
    here = str(run.group("paths").get("run_dir") or "")
    values = {key: text(value) for key, value in flat(run.config)}
    return {key: value.replace(here, ".") if here else value for key, value in values.items()}
