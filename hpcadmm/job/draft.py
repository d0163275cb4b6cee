"""A job file for the data at hand: `hpcadmm job new`, `hpcadmm train --data`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2
from pathlib import Path
from typing import Any

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import ONE_PART, Dataset
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.formats.tables import Tabular
from hpcadmm.datasets.given.recognise import recognised
from hpcadmm.datasets.scaling import kind_of, standardises_targets
from hpcadmm.datasets.table import Table
from hpcadmm.datasets.tabular.table import RawTable
from hpcadmm.errors import UsageError
from hpcadmm.job.commented import written
from hpcadmm.job.job import Job, built
from hpcadmm.job.tables import named as read_table
from hpcadmm.job.tables import overridden
from hpcadmm.job.typed import Raw, name_of
from hpcadmm.model.losses import LOSSES
from hpcadmm.solvers import SOLVERS

HELD_OUT, EPOCHS, SWEEPS = 0.1, 200, 200  # of the training part; most; without batches
MEASURED, PATIENCE = 50, 10  # rows of the most epochs, and without a better one
HIDDEN = [200, 200]  # units
STEPS = {False: 8, True: 32}  # batches in an epoch, where the solver's are larger; True: of a regression
LEAST = 256  # samples of a batch
SOLVER, STEADY = "mpadmm", {"average": 0.95}  # the mean of the last sweeps is better than the last one
MOST_NAMES = 100  # columns that a message names
Tables = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Draft:
    """A job file. facts: what was found in the data, choices: what was chosen for them, a line each."""

    name: str
    text: str
    facts: list[str]
    choices: list[str]


def drafted(
    source: str,
    kind: str | None = None,
    target: str | None = None,
    solver: str | None = None,
    overrides: Sequence[str] = (),
    task: str | None = None,
    named: bool = False,
) -> Draft:
    """A job for a file or a dataset given by name, read as `kind` if given: the loss that the target asks for, a small
    network, and stopping rules on samples held out. Overrides, `table.key=value`, win. named: a table of columns needs
    a target. Raises UsageError if the data cannot be read or the job does not fit."""
    asked: dict[str, Any] = {}
    for override in overrides:
        overridden(asked, override)
    cls, options = recognised(source, kind or name_of(part(asked, "data").get("name")), DATASETS)
    if cls.name not in DATASETS:
        raise UsageError(f"{source}: is {cls.what}: convert it first, hpcadmm data convert {source} FILE.h5")
    given = {key: value for key, value in (("target", target and Raw(target)), ("task", task)) if value}
    data = {"name": cls.name, **options, **given}
    data |= {key: value for key, value in part(asked, "data").items() if key != "name"}
    dataset = made(data)
    if named and "target" not in data and isinstance(dataset, Tabular):
        raise UsageError(f"--target is missing: name a column to predict; {source} has {columns(dataset)}")
    table, samples = looked(dataset)
    usual = {"solver": solver or SOLVER, "loss": ""}
    solver, loss = (name_of(part(asked, key).get("name", usual[key])) for key in usual)
    tables = defaults(data, table, samples, solver, loss)
    tables["data"] |= targeted(dataset, data, table) | scaled(dataset, table, tables["loss"]["name"])
    whole = {**head(source), **merged(tables, asked)}
    job = built(whole)
    facts = [f"{samples} training samples, {kind_of_task(table)}", *table.facts]
    facts += [f"Warning: {line}" for line in table.warnings]
    return Draft(job.head.name, written(job, whole, facts), facts, choices(job, table, samples))


def choices(job: Job, table: Table, samples: int) -> list[str]:
    """What was chosen, in words."""
    held, batch = int(samples * (job.data.validation or 0)), getattr(job.solver, "batch", 0)
    units = ", ".join(map(str, job.layers.hidden))
    words = [f"{job.loss.name} loss", f"hidden layers of {units} units" if units else "no hidden layer"]
    words += [f"solver {job.solver.name}" + f" with batches of {batch}" * (batch > 0)]
    scaling = {"standard": ["standardised features"], "unit": ["features in [0, 1]"]}
    words += scaling.get(kind_of(job.data, table) or "none", [])
    words += ["standardised targets"] * (table.targets > 0 and standardises_targets(job.data, table))
    found = f"{samples} training samples, {held} of them held out to stop by; {kind_of_task(table)}"
    return [found, f"chosen: {', '.join(words)}, at most {job.stop.iterations} iterations"]


def kind_of_task(table: Table) -> str:
    """What the target is, in words."""
    return "a regression" if table.targets else "classes"


def part(asked: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A table of the overrides."""
    found = asked.get(name)
    return found if isinstance(found, dict) else {}


def head(source: str) -> dict[str, Any]:
    """The keys outside the tables."""
    return {"name": Path(source).name.split(".")[0] or "job", "precision": "float32"}


def made(data: dict[str, Any]) -> Dataset:
    """The dataset of a [data] table. Raises UsageError."""
    faults: list[str] = []
    dataset: Dataset | None = read_table(DATASETS, data, "data", faults)
    if dataset is None:
        raise UsageError("\n".join(faults))
    return dataset


def columns(dataset: Tabular) -> str:
    """The names of a file's columns."""
    raw = dataset.read(dataset.trained(), World.without_mpi(), dataset.kinds, kept=False)
    return f"the columns {shown(raw.names, MOST_NAMES)}"


def looked(dataset: Dataset) -> tuple[Table, int]:
    """The table of the training part, and how many samples train."""
    train, test = dataset.sources(0, World.without_mpi())
    share = 1.0 if test is not None else dataset.split or ONE_PART
    rows = min(len(train.rows) * share, dataset.first or len(train.rows))
    return train.table, max(1, int(rows))


def targeted(dataset: Dataset, data: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """The key that names the target of a table of columns, unless it is given."""
    if "target" in data or not (isinstance(dataset, Tabular) and isinstance(table, RawTable) and table.target):
        return {}
    return {"target": (table.target.names if table.raw.header else table.target.places)[0]}


def scaled(dataset: Dataset, table: Table, loss: str) -> dict[str, Any]:
    """Keys that scale what would otherwise stay in units of its own."""
    plain = dataset.scale == "auto" and kind_of(dataset, table) == "none" and not table.image
    targets = table.targets and dataset.standardise_targets is False and not LOSSES[loss].raw
    return {**({"standardise": True} if plain else {}), **({"standardise_targets": True} if targets else {})}


def defaults(data: dict[str, Any], table: Table, samples: int, solver: str, loss: str) -> Tables:
    """The tables of a good first job."""
    cls = SOLVERS[solver]
    hidden = [] if cls.most_layers == 1 else HIDDEN
    usual = "squared" if table.targets else "cross-entropy"
    able = [name for name in cls.losses or [usual] if LOSSES[name].real <= bool(table.targets)]
    loss = loss or (usual if usual in able else next(iter(able), usual))
    plain = cls()
    batch = 2 ** round(log2(max(samples / STEPS[table.targets > 0], LEAST)))
    own: dict[str, Any] = {"batch": batch} if plain.parts and plain.batch > batch else {}
    own |= STEADY if solver == SOLVER else {}
    steps = ceil(samples / max(1, cls(**own).samples(samples, len(hidden) + 1, loss)))
    iterations = EPOCHS * steps if steps > 1 else SWEEPS
    tables: Tables = {"data": data, "network": {"hidden": hidden}, "loss": {"name": loss}}
    if cls.convex:
        tables["penalty"] = {"name": "l2"}
        rules: Tables = {"stop": {"iterations": 1000, "absolute": 1e-6, "relative": 1e-4}}
    else:
        if "validation" not in data and samples * HELD_OUT < 1:
            cure = "it takes 10, or data.validation"
            raise UsageError(f"{samples} training samples are too few to hold a tenth of them out to stop by; {cure}")
        data.setdefault("validation", HELD_OUT)
        rules = {"stop": {"iterations": iterations, "patience": PATIENCE}}
        rules["save"] = {"best": "test_error" if table.targets else "test_accuracy"}
        rules["evaluate"] = {"every": max(1, iterations // MEASURED)}
    return {**tables, "solver": {"name": solver, **own}, **rules}


def merged(tables: Tables, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with what the user asked for."""
    both = {key: {**tables.get(key, {}), **value} for key, value in asked.items() if isinstance(value, dict)}
    return {**tables, **asked, **both}
