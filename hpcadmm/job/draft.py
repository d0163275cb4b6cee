"""A job file for the data at hand: `hpcadmm job new`. What its keys mean comes from the classes of their tables."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import ceil, log2
from pathlib import Path
from typing import Any

import tomli_w

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import ONE_PART, Dataset
from hpcadmm.datasets.given.recognise import recognised
from hpcadmm.datasets.scaling import kind_of
from hpcadmm.datasets.table import Table
from hpcadmm.datasets.tabular.options import Asked
from hpcadmm.datasets.tabular.table import RawTable
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job, built
from hpcadmm.job.keys import keys, use
from hpcadmm.job.options import Evaluate, Head, Layers, Log, Save, Stop
from hpcadmm.job.tables import named, overridden
from hpcadmm.job.typed import Raw, name_of
from hpcadmm.model.losses import LOSSES
from hpcadmm.solvers import SOLVERS

HELD_OUT, EPOCHS, SWEEPS, MEASURED = 0.1, 100, 200, 50  # of the training part; most; without batches; rows
LEAST = 32  # samples of a minibatch
COLUMN, LONGEST = 32, 84  # where comments begin, and their length
Tables = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Draft:
    """A job file. facts: what was found in the data, a line each."""

    name: str
    text: str
    facts: list[str]


def drafted(source: str, kind: str | None, target: str | None, solver: str, overrides: Sequence[str]) -> Draft:
    """A job for a file or a dataset given by name, read as `kind` if given: the loss that the target asks for, a small
    network, and stopping rules on samples held out. Overrides, `table.key=value`, win. Raises UsageError if the data
    cannot be read or the job does not fit."""
    asked: dict[str, Any] = {}
    for override in overrides:
        overridden(asked, override)
    cls, options = recognised(source, kind or name_of(part(asked, "data").get("name")), DATASETS)
    if cls.name not in DATASETS:
        raise UsageError(f"{source}: is {cls.what}: convert it first, hpcadmm data convert {source} FILE.h5")
    data = {"name": cls.name, **options, **({} if target is None else {"target": Raw(target)})}
    data |= {key: value for key, value in part(asked, "data").items() if key != "name"}
    dataset, table, samples = looked(data)
    solver, loss = (name_of(part(asked, key).get("name", usual)) for key, usual in (("solver", solver), ("loss", "")))
    tables = defaults(data, table, samples, solver, loss)
    tables["data"] |= targeted(dataset, data, table) | scaled(dataset, table, tables["loss"]["name"])
    job = built({**head(source), **merged(tables, asked)})
    facts = [f"{samples} training samples, {'a regression' if table.targets else 'classes'}", *table.facts]
    facts += [f"Warning: {line}" for line in table.warnings]
    return Draft(job.head.name, written(job, tables, asked, facts), facts)


def part(asked: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A table of the overrides."""
    found = asked.get(name)
    return found if isinstance(found, dict) else {}


def head(source: str) -> dict[str, Any]:
    """The keys outside the tables."""
    return {"name": Path(source).name.split(".")[0] or "job", "precision": "float32"}


def looked(data: dict[str, Any]) -> tuple[Dataset, Table, int]:
    """The dataset, the table of its training part, and how many samples train. Raises UsageError."""
    faults: list[str] = []
    dataset: Dataset | None = named(DATASETS, data, "data", faults)
    if dataset is None:
        raise UsageError("\n".join(faults))
    train, test = dataset.sources(0, World.without_mpi())
    share = 1.0 if test is not None else dataset.split or ONE_PART
    rows = min(len(train.rows) * share, dataset.first or len(train.rows))
    return dataset, train.table, max(1, int(rows))


def targeted(dataset: Dataset, data: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """The key that names the target of a table of columns, unless it is given."""
    if "target" in data or not (isinstance(dataset, Asked) and isinstance(table, RawTable) and table.target):
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
    hidden = [] if cls.most_layers == 1 else [100]
    usual = "squared" if table.targets else "cross-entropy"
    able = [name for name in cls.losses or [usual] if LOSSES[name].real <= bool(table.targets)]
    loss = loss or (usual if usual in able else next(iter(able), usual))
    made = cls()
    batch = 2 ** int(log2(max(samples / 3, LEAST)))
    own = {"batch": batch} if made.parts and made.batch > batch else {}
    steps = ceil(samples / max(1, cls(**own).samples(samples, len(hidden) + 1, loss)))
    iterations = EPOCHS * steps if steps > 1 else SWEEPS
    tables: Tables = {"data": data, "network": {"hidden": hidden}, "loss": {"name": loss}}
    if cls.convex:
        tables["penalty"] = {"name": "l2"}
        rules: Tables = {"stop": {"iterations": 1000, "absolute": 1e-6, "relative": 1e-4}}
    else:
        data.setdefault("validation", HELD_OUT)
        rules = {"stop": {"iterations": iterations, "patience": 10}}
        rules["save"] = {"best": "test_error" if table.targets else "test_accuracy"}
        rules["evaluate"] = {"every": max(1, iterations // MEASURED)}
    return {**tables, "solver": {"name": solver, **own}, **rules}


def merged(tables: Tables, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with what the user asked for."""
    both = {key: {**tables.get(key, {}), **value} for key, value in asked.items() if isinstance(value, dict)}
    return {**tables, **asked, **both}


def written(job: Job, tables: Tables, asked: Mapping[str, Any], facts: Sequence[str]) -> str:
    """The job file: the keys that differ from defaults, and as comments all others of the solver."""
    resolved = job.resolved()
    given = {key for key in ("name", "precision", *asked) if not isinstance(resolved.get(key, {}), dict)}
    lines = [f"# {line}" for fact in facts for line in textwrap.wrap(fact, 110)]
    lines += section(Head, {key: resolved[key] for key in resolved if key in given})
    classes: dict[str, Any] = {"data": type(job.data), "network": Layers, "loss": type(job.loss)}
    classes |= {
        "penalty": type(job.penalty),
        "solver": type(job.solver),
        "stop": Stop,
        "save": Save,
        "evaluate": Evaluate,
        "log": Log,
    }
    for name, keys_here in merged(tables, asked).items():
        if name in classes and isinstance(keys_here, dict):
            values = {key: value for key, value in resolved.get(name, {}).items() if key in keys_here}
            lines += ["", f"[{name}]", *section(classes[name], values)]
            lines += others(job) if name == "solver" else []
    if "validation" in resolved["data"]:
        said = "# The test part is not read. Measure it at the end: hpcadmm evaluate RUN --data validation="
        lines += ["", said]
    return "\n".join(lines) + "\n"


def section(cls: Any, values: Mapping[str, Any]) -> list[str]:
    """Keys of a table, each with what it means."""
    said = {key.name: clause(key.meaning) for key in keys(cls)} | ({"name": use(cls)} if hasattr(cls, "name") else {})
    return [commented(f"{key} = {toml_value(value)}", said.get(key, "")) for key, value in values.items()]


def others(job: Job) -> list[str]:
    """The solver's keys that have their defaults, as comments."""
    cls: Any = type(job.solver)
    usual = {f.name for f in fields(cls) if getattr(job.solver, f.name) == getattr(cls(), f.name)}
    lines = [f"# Defaults; `hpcadmm solvers {job.solver.name}` describes all keys."]
    for key in keys(cls):
        if key.name in usual:
            lines.append(
                commented(f"# {key.name}" + f" = {key.default}" * (key.default != "none"), clause(key.meaning))
            )
    return lines


def clause(meaning: str) -> str:
    """The first clause of a meaning.

    >>> clause("samples a sweep; 0: all. Default 10.")
    'samples a sweep'
    """
    return re.split(r"[.;](?:\s|$)", meaning)[0]


def commented(line: str, comment: str) -> str:
    """A line with a comment behind it, cut if it is long.

    >>> commented("batch = 100", "samples a sweep")
    'batch = 100                     # samples a sweep'
    """
    said = textwrap.shorten(comment, LONGEST, placeholder=" ...")
    return f"{line:<{COLUMN - 2}}  # {said}" if said else line


def toml_value(value: Any) -> str:
    """A value on one line.

    >>> toml_value([1, 2]), toml_value({"age": "date"}), toml_value("a")
    ('[1, 2]', '{ age = "date" }', '"a"')
    """
    if isinstance(value, dict):
        return f"{{ {', '.join(tomli_w.dumps(value).splitlines())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return tomli_w.dumps({"x": value}).strip().removeprefix("x = ")
