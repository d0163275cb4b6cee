"""Job files: TOML <-> frozen dataclasses, checked before any work starts."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from inspect import get_annotations
from pathlib import Path
from typing import Any

import tomli_w

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.scaling import planned
from hpcadmm.errors import Note, UsageError, sayable
from hpcadmm.job.checks import check_together, check_untrained
from hpcadmm.job.options import Evaluate, Head, Layers, Log, Save, Stop
from hpcadmm.job.program import Program
from hpcadmm.job.python import as_toml, changed, written
from hpcadmm.job.tables import chosen, named, overridden, plain, toml, toml_text
from hpcadmm.job.typed import Raw, name_of, untyped
from hpcadmm.model.activations import ACTIVATIONS, Activation
from hpcadmm.model.losses import LOSSES, Loss
from hpcadmm.model.penalties import PENALTIES, NoPenalty, Penalty
from hpcadmm.model.scores import CHOICES, keyed
from hpcadmm.registry import Registry
from hpcadmm.solvers import SOLVERS, Solver


@dataclass(frozen=True)
class Job:
    """A complete job: every default is filled in."""

    head: Head
    data: Dataset
    layers: Layers
    activation: Activation
    loss: Loss
    solver: Solver
    stop: Stop
    save: Save
    evaluate: Evaluate
    penalty: Penalty | None = None
    log: Log = field(default_factory=Log)

    @property
    def metrics(self) -> list[str]:
        """The scores to measure: those of [evaluate], and that of save.best."""
        best = self.save.best or ""
        return [*self.evaluate.metrics, *([best] if keyed(best)[1] in CHOICES else [])]

    @classmethod
    def read(cls, given: str | Path | Mapping[str, Any], **overrides: Any) -> "Job":
        """A job from a job file, or from its tables as a dict; without data.name it is for arrays.

        overrides: tables whose keys replace those of the file, solver={"gamma": 5.0}, or keys of no table, seed=1; None
        unsets a key. Raises UsageError that lists everything wrong.

        >>> job = Job.read({"loss": {"name": "hinge"}, "solver": {"name": "taylor"}}, solver={"gamma": 5}, seed=3)
        >>> job.solver.gamma, job.head.seed, job.data.name
        (5.0, 3, 'arrays')
        """
        if isinstance(given, Mapping):
            tables, name = as_toml(given), "job"
        else:
            tables, name = toml(source(Path(given)), "the job file"), Path(given).stem
        texts = list(changed(tables, [], overrides))
        data = tables.setdefault("data", {})
        if isinstance(data, dict) and not any(text.startswith("data.name=") for text in texts):
            data.setdefault("name", "arrays")
        return parse(written(tables), texts, name)

    def resolved(self) -> dict[str, Any]:
        """The job as the tables of a file, without keys that are unset."""
        tables = {
            **asdict(self.head),
            "data": {"name": self.data.name, **asdict(planned(self.data))},
            "network": {**asdict(self.layers), **asdict(self.activation)},  # type: ignore[call-overload]
            "loss": {"name": self.loss.name, **asdict(self.loss)},  # type: ignore[call-overload]
            **({"penalty": {"name": self.penalty.name, **asdict(self.penalty)}} if self.penalty else {}),  # type: ignore[call-overload]
            "solver": {"name": self.solver.name, **asdict(self.solver)},  # type: ignore[call-overload]
            "stop": asdict(self.stop),
            "save": asdict(self.save),
            "evaluate": asdict(self.evaluate),
            **({"log": asdict(self.log)} if self.log != Log() else {}),
        }
        return {key: _set(value) if isinstance(value, dict) else value for key, value in tables.items()}

    def to_toml(self) -> str:
        """The resolved job as a job file."""
        return tomli_w.dumps(self.resolved())


def _set(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


def read(path: Path, overrides: Sequence[str], world: World) -> Job:
    """Read a job file on the first rank and give it to all. Raises UsageError, on all ranks."""
    text = ""
    with world.together("reading the job file"):
        if world.first:
            text = source(path)
    return parse(world.share(text), overrides, default_name=path.stem)


def source(path: Path) -> str:
    """The text of a job file. Raises UsageError."""
    return toml_text(path, f"cannot read the job file {path}")


def parse(text: str, overrides: Sequence[str] = (), default_name: str = "job") -> Job:
    """A job from TOML text and `table.key=value` overrides. Raises UsageError that lists everything wrong."""
    tables = toml(text, "the job file")
    solver = tables.get("solver")
    solver = dict(solver) if isinstance(solver, dict) else {}
    for override in overrides:
        overridden(tables, override)
    switch(tables.get("solver"), solver)
    tables.setdefault("name", sayable(default_name))
    return built(tables)


def built(tables: dict[str, Any]) -> Job:
    """The job of its tables. Raises UsageError that lists everything wrong."""
    faults: list[str] = []
    job = _build(tables, faults)
    if faults or job is None:
        raise UsageError("the job file:\n  " + "\n  ".join(faults))
    return job


def switch(table: Any, file: dict[str, Any]) -> None:
    """Where an override names another solver than the job file, leave out the file's keys of its solver, and say so.
    Keys that both solvers inherit from one base, and those that an override sets, stay."""
    name: Any = name_of(table.get("name")) if isinstance(table, dict) else None
    former: Any = file.get("name")
    if name == former or name not in registry_of(name) or former not in registry_of(former):
        return
    new, old = registry_of(name)[name], registry_of(former)[former]
    gone = [key for key, value in file.items() if table.get(key) is value and home(new, key) is not home(old, key)]
    for key in gone:
        del table[key]
    if gone:
        said = f'solver.name = "{name}": the job file\'s keys of {former} are left out: {", ".join(gone)}'
        warnings.warn(said, Note, stacklevel=3)


def registry_of(solver: Any) -> Registry:
    """Where the solver of this name is, if anywhere."""
    return PROGRAMS if solver in PROGRAMS else SOLVERS


def home(cls: type, key: str) -> type | None:
    """The class, it or a base, that declares a key."""
    return next((one for one in cls.__mro__ if key in get_annotations(one)), None)


PROGRAMS = Registry("solver.name", Program)  # not among the solvers: hpcadmm does not train with it
TABLES = ("data", "network", "loss", "penalty", "solver", "stop", "save", "evaluate", "log")


def _build(tables: dict[str, Any], faults: list[str]) -> Job | None:
    """The job, or None with the faults listed."""
    head = {key: value for key, value in tables.items() if key not in TABLES}
    parts: dict[str, dict[str, Any]] = {}
    for name in TABLES:
        table = tables.get(name, {})
        table = untyped(table) if isinstance(table, Raw) else table
        if not isinstance(table, dict):
            faults.append(f"{name} = {table!r}: must be a table, [{name}]")
        parts[name] = table if isinstance(table, dict) else {}
    own = {f.name for f in fields(Layers)}
    network, rest = parts["network"], {k: v for k, v in parts["network"].items() if k not in own}
    layers = plain(Layers, {k: v for k, v in network.items() if k in own}, "network", faults)
    name = layers.activation if layers else "relu"
    job = Job(
        head=plain(Head, head, "", faults, TABLES),
        data=named(DATASETS, parts["data"], "data", faults),
        layers=layers,
        activation=chosen(ACTIVATIONS, name, rest, "network", faults, own),
        loss=named(LOSSES, parts["loss"], "loss", faults),
        solver=named(registry_of(name_of(parts["solver"].get("name"))), parts["solver"], "solver", faults),
        stop=plain(Stop, parts["stop"], "stop", faults),
        save=plain(Save, parts["save"], "save", faults),
        evaluate=plain(Evaluate, parts["evaluate"], "evaluate", faults),
        log=plain(Log, parts["log"], "log", faults),
        penalty=named(PENALTIES, parts["penalty"], "penalty", faults) if "penalty" in tables else None,
    )
    if job.solver and job.solver.convex and "penalty" not in tables:
        job = replace(job, penalty=NoPenalty())
    if job.layers and job.solver:
        check_together(job, faults, "penalty" in tables)
    if job.stop and job.save and job.evaluate and not job.evaluate.train:
        check_untrained(job, faults)
    return None if faults else job
