"""Fine-tuning: a run that begins with the weights of another one, `hpcadmm train JOB --from RUN`."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.loaded import Loaded, Transform
from hpcadmm.datasets.tabular.schema import columns_of
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.storage.readers import ORIGIN
from hpcadmm.training.setup import Given, Setup, blank

OUTPUT = "the last layer begins anew, with random weights"


@dataclass(frozen=True)
class Origin:
    """A trained network, the same on every rank: where it is from, its weights, its classes, and how its data were
    scaled."""

    run: Path
    iteration: int
    sha256: str
    job: Job
    network: Network
    weights: Arrays
    names: list[str]
    given: Given

    def record(self) -> dict[str, Any]:
        """As JSON, for the run folder."""
        said = {"run": str(self.run.absolute()), "iteration": self.iteration, "weights_sha256": self.sha256}
        columns = self.given.columns
        return said | {"transform": self.given.transform.record(), "columns": columns and columns.record()}


def kept(folder: Path, world: World) -> Given | None:
    """What a run that resumes keeps of the one it began from; None if it began by itself. Collective."""
    record: Any = None
    path = folder / ORIGIN
    with world.together("reading the run"):
        if world.first and path.exists():
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                _given(record)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise UsageError(f"{path} is damaged: {error}") from None
    record = world.share(record)
    return None if record is None else _given(record)


def _given(record: dict[str, Any]) -> Given:
    columns = record["columns"]
    return Given(Transform.of(record["transform"]), None if columns is None else columns_of(columns))


def continued(job: Job, origin: Origin) -> Job:
    """The job with the scaling of the first training. Raises UsageError if its hidden layers are not the network's."""
    then, now = origin.network, job.layers
    if list(then.n[1:-1]) != now.hidden or then.bias != now.bias or then.activation != job.activation:
        first, second = (f"{list(hidden)} {name} {said}" for hidden, name, said in (
            (then.n[1:-1], origin.job.layers.activation, _biased(then.bias)),
            (now.hidden, now.activation, _biased(now.bias)),
        ))  # fmt: skip
        cure = "use the [network] of that run"
        raise UsageError(f"--from {origin.run}: its hidden layers are {first}, those of the job {second}; {cure}")
    before = origin.job.data
    return replace(job, data=replace(job.data, scale=before.scale, standardise=before.standardise))


def _biased(bias: bool) -> str:
    return "with biases" if bias else "without biases"


def begin(job: Job, setup: Setup, origin: Origin | None) -> Any:
    """The first state of a run: the solver's own start, or one from the weights of another run. Collective."""
    state = blank(job.solver, setup)
    if origin is None:
        job.solver.start(state, setup.problem, setup.world)
    else:
        weights = first_weights(origin, setup.problem, setup.data)
        job.solver.set_weights(state, weights, setup.problem, setup.world)
    return state


def first_weights(origin: Origin, problem: Problem, data: Loaded) -> Arrays:
    """W[1..L] to begin with. Adds to the facts of the data what became of the last layer."""
    last, line = last_layer(origin, problem, data.names or [])
    said = f"begins from {origin.run}, iteration {origin.iteration}; inputs are scaled as in that run"
    data.facts.append(f"{said}; {line}" if line else said)
    hidden = [np.asfortranarray(W, dtype=problem.dtype) for W in origin.weights[1:-1]]
    return [None, *hidden, last]


def last_layer(origin: Origin, problem: Problem, names: list[str]) -> tuple[Array, str]:
    """W_L and what to say about it: the network's, its rows in the order of the classes' names, or a random one."""
    L, then, now, W = problem.network.depth, origin.network.n[-1], problem.network.n[-1], origin.weights[-1]
    known, kept = origin.names, np.asfortranarray(W, dtype=problem.dtype)
    fresh = problem.network.random_layer(L, problem.seed, problem.dtype)
    if (then, len(known)) != (now, len(names)):
        return fresh, f"{now} outputs instead of {then}: {OUTPUT}" if then != now else OUTPUT
    if names == known:
        return kept, ""
    if sorted(names) == sorted(known):
        order = [known.index(name) for name in names]
        moved = -kept if now == 1 else kept[order]
        return np.asfortranarray(moved), f"the classes {shown(names)} are matched by name"
    return fresh, f"other classes than {shown(known)}: {OUTPUT}"
