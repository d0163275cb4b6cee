"""Job files: TOML <-> frozen dataclasses. Everything is checked here, before any work starts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from annotated_types import Ge, Gt, Le

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.scaling import planned
from hpcadmm.errors import UsageError, sayable
from hpcadmm.job.tables import chosen, named, overridden, plain, toml, toml_text
from hpcadmm.job.typed import Raw, untyped
from hpcadmm.model.activations import ACTIVATIONS, Activation
from hpcadmm.model.losses import LOSSES, Loss
from hpcadmm.solvers import SOLVERS, Solver

Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]


@dataclass(frozen=True)
class Head:
    """The keys of the file that stand in no table.

    threads: BLAS threads a rank; more than one changes the last bits of the results.
    """

    name: str
    seed: Annotated[int, Ge(0)] = 0
    precision: Literal["float64", "float32"] = "float64"
    threads: Count = 1


@dataclass(frozen=True)
class Layers:
    """[network], besides the activation's own parameters. hidden: the units of each hidden layer; may be empty."""

    hidden: list[Count] = field(default_factory=list)
    activation: str = "relu"
    bias: bool = True


@dataclass(frozen=True)
class Stop:
    """[stop]: whichever comes first. A run always says which it was.

    iterations; minutes of solver time; test accuracy reached (a fraction; in a regression use tolerance);
    tolerance, tolerance_absolute: change of the objective between two measured iterations, relative and absolute;
    residual, residual_absolute: the primal residual, relative to the norm of the variables and absolute;
    patience: so many measured iterations without a better test accuracy (or error); it and accuracy need test samples;
    error: of solvers that know the optimum f*: `objective_error` and `mean_error`, the objective where the workers are
    and at their mean against f*, are both within it, and the primal residual within its root, relative to the scale
    (the first alone crosses 0 long before the workers agree).
    """

    iterations: Count = 100
    minutes: Positive | None = None
    accuracy: Annotated[float, Gt(0), Le(1)] | None = None
    tolerance: Positive | None = None
    tolerance_absolute: Positive | None = None
    residual: Positive | None = None
    residual_absolute: Positive | None = None
    patience: Count | None = None
    error: Positive | None = None


@dataclass(frozen=True)
class Save:
    """[save]: a checkpoint every so many iterations (0: only at the end) or minutes; `keep` the newest.

    state: "full" resumes bit for bit, "weights" is smaller and restarts from the weights.
    """

    every: Annotated[int, Ge(0)] = 0
    minutes: Positive | None = 10.0
    keep: Count = 3
    state: Literal["full", "weights"] = "full"


@dataclass(frozen=True)
class Evaluate:
    """[evaluate]: measure every so many iterations (0: only at the end); never counts as solver time."""

    every: Annotated[int, Ge(0)] = 1


@dataclass(frozen=True)
class Job:
    """A whole job, resolved: every default filled in."""

    head: Head
    data: Dataset
    layers: Layers
    activation: Activation
    loss: Loss
    solver: Solver
    stop: Stop
    save: Save
    evaluate: Evaluate

    def resolved(self) -> dict[str, Any]:
        """The job as the tables of a file; what is unset is left out."""
        tables = {
            **asdict(self.head),
            "data": {"name": self.data.name, **asdict(planned(self.data))},
            "network": {**asdict(self.layers), **asdict(self.activation)},  # type: ignore[call-overload]
            "loss": {"name": self.loss.name, **asdict(self.loss)},  # type: ignore[call-overload]
            "solver": {"name": self.solver.name, **asdict(self.solver)},  # type: ignore[call-overload]
            "stop": asdict(self.stop),
            "save": asdict(self.save),
            "evaluate": asdict(self.evaluate),
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
    for override in overrides:
        overridden(tables, override)
    tables.setdefault("name", sayable(default_name))
    faults: list[str] = []
    job = _build(tables, faults)
    if faults or job is None:
        raise UsageError("the job file:\n  " + "\n  ".join(faults))
    return job


TABLES = ("data", "network", "loss", "solver", "stop", "save", "evaluate")


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
        solver=named(SOLVERS, parts["solver"], "solver", faults),
        stop=plain(Stop, parts["stop"], "stop", faults),
        save=plain(Save, parts["save"], "save", faults),
        evaluate=plain(Evaluate, parts["evaluate"], "evaluate", faults),
    )
    if job.layers and job.solver:
        _check_together(job, faults)
    return None if faults else job


def _check_together(job: Job, faults: list[str]) -> None:
    """What one table means for another."""
    solver, L = job.solver, len(job.layers.hidden) + 1
    said = f'solver.name = "{solver.name}"'
    if solver.most_layers is not None and solver.most_layers < L:
        faults.append(
            f"{said} trains networks of {solver.most_layers} layers of weights at most, not {L}: "
            f"network.hidden may have {solver.most_layers - 1} entries"
        )
    if job.loss and solver.losses is not None and job.loss.name not in solver.losses:
        faults.append(f'{said} and loss.name = "{job.loss.name}": it minimises {", ".join(solver.losses)}')
    if job.stop and job.stop.error is not None and job.loss and not solver.knows_optimum(L, job.loss.name):
        told = f"{said} does not know the optimum of {L} layers of weights and {job.loss.name}"
        faults.append(f"stop.error = {job.stop.error:g}: {told}; use tolerance or residual")
    try:
        solver.check(L)
    except UsageError as error:
        faults.append(str(error))
