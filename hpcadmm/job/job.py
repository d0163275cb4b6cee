"""Job files: TOML <-> frozen dataclasses, checked before any work starts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from annotated_types import Ge, Gt, Le, Lt

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.scaling import planned
from hpcadmm.errors import UsageError, sayable
from hpcadmm.job.program import Program
from hpcadmm.job.tables import chosen, named, overridden, plain, toml, toml_text
from hpcadmm.job.typed import Raw, name_of, untyped
from hpcadmm.model.activations import ACTIVATIONS, Activation
from hpcadmm.model.losses import LOSSES, Loss
from hpcadmm.model.scores import CHOICES, keyed
from hpcadmm.registry import Registry
from hpcadmm.solvers import SOLVERS, Solver

Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]
Share = Annotated[float, Ge(0), Lt(1)]


@dataclass(frozen=True)
class Head:
    """The keys outside the tables.

    name: the name of the run; default: the name of the file.
    seed: of all random numbers, default 0.
    precision: "float64" (default) or "float32"; "bfloat16" (needs the extra bf16): as float32, but the factors of the
        large matrix products are rounded to bfloat16 and summed in float32.
    threads: BLAS threads a rank, default 1; other numbers change the last bits of the results.
    """

    name: str
    seed: Annotated[int, Ge(0)] = 0
    precision: Literal["float64", "float32", "bfloat16"] = "float64"
    threads: Count = 1


@dataclass(frozen=True)
class Layers:
    """[network], without the parameters of the activation.

    hidden: units of each hidden layer; [] is a linear model (default).
    activation: its name, default "relu".
    bias: give every layer a bias, default true.
    dropout: in training, the share of the units of each hidden layer that are left out, drawn anew for each sample in
        each step; those that stay are multiplied by 1 / (1 - dropout). In [0, 1); a list: one for each hidden layer.
        For the minibatch solvers and mpadmm. Default 0.
    dropout_inputs: the same for the features, default 0.
    """

    hidden: list[Count] = field(default_factory=list)
    activation: str = "relu"
    bias: bool = True
    dropout: Share | list[Share] = 0.0
    dropout_inputs: Share = 0.0

    def __post_init__(self) -> None:
        given, layers = self.dropout, len(self.hidden)
        if isinstance(given, list) and len(given) != layers:
            raise UsageError(f"network.dropout has {len(given)} entries, and network.hidden has {layers} layers")
        if given and not layers:
            raise UsageError(
                f"network.dropout = {given}: there are no hidden layers; dropout_inputs is for the features"
            )

    @property
    def rates(self) -> tuple[float, ...]:
        """The dropout of features and hidden layers; (): none.

        >>> Layers([5, 4], dropout=0.5).rates, Layers([5], dropout=[0.0]).rates
        ((0.0, 0.5, 0.5), ())
        """
        hidden = self.dropout if isinstance(self.dropout, list) else [self.dropout] * len(self.hidden)
        rates = (self.dropout_inputs, *hidden)
        return rates if any(rates) else ()


@dataclass(frozen=True)
class Stop:
    """[stop]: the first rule that is met ends the run, and the run says which.

    iterations: at most this many, default 100. The other rules are off by default.
    minutes: of solver time.
    accuracy: test accuracy, a fraction; needs test samples; in a regression use `tolerance`.
    tolerance: relative change of the objective between two measured iterations.
    tolerance_absolute: the same, absolute.
    residual: primal residual relative to the norm of the variables.
    residual_absolute: the same, absolute.
    patience: measured iterations without a better `save.best`, or test accuracy or error; needs test samples.
    error: for solvers that know the optimum f*: `objective_error` (at the workers) and `mean_error` (at their mean)
        are within it, and the relative primal residual is within its square root. The objective error alone passes
        through 0 long before the workers agree.
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
    """[save]: checkpoints.

    every: iterations between checkpoints, default 0: only at the end.
    minutes: of solver time between checkpoints, default 10.
    keep: number of checkpoints to keep, default 3.
    state: "full" (default) resumes bit for bit; "weights" is smaller and restarts from the weights.
    best: a number of metrics.jsonl, such as "test_accuracy": the weights of the measured iteration where it is best
        stay in checkpoints/best; evaluate, predict and export use them, stop.patience follows it. Off by default.
    """

    every: Annotated[int, Ge(0)] = 0
    minutes: Positive | None = 10.0
    keep: Count = 3
    state: Literal["full", "weights"] = "full"
    best: str | None = None


@dataclass(frozen=True)
class Evaluate:
    """[evaluate]: measurements, which never count as solver time.

    every: iterations between measurements, default 1; 0: only at the end.
    train: measure the training part, too: objective, residuals, accuracy; default true. false: only the test part,
        which is quicker; then the run diverges if its weights are not finite, whatever the objective.
    metrics: further scores in metrics.jsonl, of the test part, or with the prefix train_ of the train part. Of classes:
        balanced_accuracy, log_loss, roc_auc, macro_precision, macro_recall, macro_f1, and of two classes precision,
        recall, f1 (of the second class); of real targets, in their own units: rmse, mae, r2. Default: none.
    """

    every: Annotated[int, Ge(0)] = 1
    train: bool = True
    metrics: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if strange := [metric for metric in self.metrics if keyed(metric)[1] not in CHOICES]:
            known = f"known are {', '.join(CHOICES)}, also with the prefix train_"
            raise UsageError(f"evaluate.metrics: {strange[0]!r}: {known}")


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

    @property
    def metrics(self) -> list[str]:
        """The scores to measure: those of [evaluate], and that of save.best."""
        best = self.save.best or ""
        return [*self.evaluate.metrics, *([best] if keyed(best)[1] in CHOICES else [])]

    def resolved(self) -> dict[str, Any]:
        """The job as the tables of a file, without keys that are unset."""
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


PROGRAMS = Registry("solver.name", Program)  # not among the solvers: hpcadmm does not train with it
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
    foreign = name_of(parts["solver"].get("name")) == Program.name
    job = Job(
        head=plain(Head, head, "", faults, TABLES),
        data=named(DATASETS, parts["data"], "data", faults),
        layers=layers,
        activation=chosen(ACTIVATIONS, name, rest, "network", faults, own),
        loss=named(LOSSES, parts["loss"], "loss", faults),
        solver=named(PROGRAMS if foreign else SOLVERS, parts["solver"], "solver", faults),
        stop=plain(Stop, parts["stop"], "stop", faults),
        save=plain(Save, parts["save"], "save", faults),
        evaluate=plain(Evaluate, parts["evaluate"], "evaluate", faults),
    )
    if job.layers and job.solver:
        _check_together(job, faults)
    if job.stop and job.save and job.evaluate and not job.evaluate.train:
        _check_untrained(job, faults)
    return None if faults else job


def _check_untrained(job: Job, faults: list[str]) -> None:
    """Check that nothing needs measures of the training part if there are none."""
    rules = ("tolerance", "tolerance_absolute", "residual", "residual_absolute", "error")
    asked = [f"stop.{rule}" for rule in rules if getattr(job.stop, rule) is not None]
    asked += [f'save.best = "{best}"' for best in [job.save.best] if best and not best.startswith("test_")]
    asked += [f'evaluate.metrics: "{one}"' for one in job.evaluate.metrics if keyed(one)[0] == "train"]
    faults += [f"{one} needs measures of the training part: remove evaluate.train = false" for one in asked]


def _check_together(job: Job, faults: list[str]) -> None:
    """Check tables against each other."""
    solver, L = job.solver, len(job.layers.hidden) + 1
    said = f'solver.name = "{solver.name}"'
    if solver.most_layers is not None and solver.most_layers < L:
        faults.append(
            f"{said} trains at most {solver.most_layers} layers of weights, this network has {L}: "
            f"network.hidden may have {solver.most_layers - 1} entries"
        )
    if job.loss and solver.losses is not None and job.loss.name not in solver.losses:
        faults.append(f'{said} and loss.name = "{job.loss.name}": it minimises {", ".join(solver.losses)}')
    if job.data and job.data.weight is not None and not solver.weighted:
        faults.append(f"data.weight: {said} counts every sample once; remove the key or choose another solver")
    if job.stop and job.stop.error is not None and job.loss and not solver.knows_optimum(L, job.loss.name):
        told = f"{said} does not know the optimum for {L} layers of weights and loss {job.loss.name}"
        faults.append(f"stop.error = {job.stop.error:g}: {told}; use tolerance or residual")
    try:
        solver.check(L)
    except UsageError as error:
        faults.append(str(error))
    if job.layers.rates:
        try:
            solver.check_dropout()
        except UsageError as error:
            able = ", ".join(name for name, one in SOLVERS.items() if one.drops)
            key = "dropout" if any(job.layers.rates[1:]) else "dropout_inputs"
            faults.append(f"network.{key}: {said} {error}; these solvers do: {able}")
