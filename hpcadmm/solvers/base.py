"""The base class of solvers: what the training loop, the benchmark and the performance model ask of an algorithm."""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import INPUTS, UNITS, WEIGHTS, Arrays
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import gradient_memory
from hpcadmm.solvers.shared.dealing import Block, deal, whole
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.solvers.shared.start import forward
from hpcadmm.subproblems.norm import square

SOON = {
    "warm": 1,
    "refresh": 2,
    "period": 1,
    "restart": 2,
    "local_after": 1,
}  # keys of several solvers, and their values in a rehearsal


class Solver:
    """An algorithm. A subclass is a frozen dataclass of hyperparameters, which is its [solver] table.

    A subclass gives `name`, `paper`, `state_type`, `step` and `objective`. The defaults are those of a data-parallel
    solver for any network, which begins with random weights and a forward pass: every rank holds all layers and the
    samples of its own tiles. "Collective" methods are called on all ranks at once.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    when: ClassVar[str] = ""  # which problem to use it for, in one line
    state_type: ClassVar[Any]  # the solver's State
    most_layers: ClassVar[int | None] = None  # most weight layers of a network: 1 is a linear model, None any
    losses: ClassVar[tuple[str, ...] | None] = None  # the losses that it minimises, None: all
    weighted: ClassVar[bool] = False  # does every sum over samples take p.w, the weights of data.weight?
    constrained: ClassVar[bool] = True  # is the primal residual that of constraints? Else it is a gradient's norm
    has_grid: ClassVar[bool] = False  # does its key `grid` deal layers to ranks?
    steady: ClassVar[bool] = True  # do all later iterations do the same work?
    streamed: ClassVar[bool] = False  # does it work on minibatches or tiles, so that x may stay in the file?
    drops: ClassVar[bool] = False  # does it train with dropout and noise?
    normalises: ClassVar[bool] = False  # does it train with network.norm?
    penalised: ClassVar[bool] = False  # does it take a [penalty] of a linear model?
    convex: ClassVar[bool] = False  # is its objective always the mean loss plus a penalty, which may be none?
    sparse: ClassVar[bool] = False  # does it use x in products only, so that x may be sparse?
    metrics: ClassVar[tuple[str, ...]] = ("objective", "primal_residual")  # of `measure`, that save.best may name
    steadier: ClassVar[Mapping[str, str]] = {}  # by key: the change, "larger" or "smaller", that helps a diverging run
    sums: str | int = "exact"  # the key `sums`; with others than "exact" the bits depend on the ranks
    batch: int = 0  # the key `batch`: samples a step; 0: all
    path: Any = None  # the key `path`: strengths of the penalty, a fit of each

    # The algorithm

    def step(self, state: Any, problem: Problem, world: World) -> None:
        """One iteration. Collective."""
        raise NotImplementedError

    def objective(self, state: Any, problem: Problem, world: World) -> float:
        """The function that is minimised, summed over the samples of all ranks. Collective."""
        raise NotImplementedError

    def residual(self, state: Any, problem: Problem, world: World) -> tuple[float, float] | None:
        """The norm of the constraints' residual and the norm it is relative to; None: not measured. Collective."""
        return None

    # The state

    def blank(self, problem: Problem, world: World) -> Any:
        """A state with its arrays allocated, to be filled by `start` or from a checkpoint: those whose field names a
        shape. A solver with exact sums or buffers adds them: `replace(super().blank(problem, world), work=...)`."""
        shapes = {f.name: f.metadata.get("shape") for f in fields(self.state_type)}
        return self.state_type(**{name: allocated(shape, problem) for name, shape in shapes.items() if shape})

    def start(self, state: Any, problem: Problem, world: World) -> None:
        """Fill a blank state with the first iterate: He's random weights. Collective."""
        self.set_weights(state, problem.network.random_weights(problem.seed, problem.dtype), problem, world)

    def set_weights(self, state: Any, weights: Arrays, problem: Problem, world: World) -> None:
        """Fill a blank state from weights alone; fields `a` and `z` by a forward pass. Collective."""
        for W, given in zip(state.W[1:], weights[1:], strict=True):
            W[...] = given
        if {"a", "z"} <= {f.name for f in fields(state)}:
            forward(problem, state.W, state.a, state.z)

    def prepare(self, state: Any, problem: Problem, world: World) -> None:
        """Form what follows from state and data (factors, buffers), after `start` or a checkpoint. Collective."""

    def formed(self, state: Any) -> Mapping[str, float]:
        """`primal_residual`, `dual_residual`, `scale`, `dual_scale`, if every iteration forms them; stop.absolute and
        stop.relative then look at every one."""
        return {}

    def spent(self, state: Any, iteration: int) -> int:
        """Of so many iterations of a run, those that count for stop.iterations."""
        return iteration

    def advance(self, state: Any, problem: Problem, world: World) -> bool:
        """A rule of [stop] is met: begin what a run has to do besides; False: nothing. Collective."""
        return False

    def complete(self, state: Any, world: World) -> None:
        """Complete what travels while iterations go on, before a checkpoint and at the end. The later iterates stay the
        same. Collective."""

    def weights(self, state: Any, world: World) -> Arrays:
        """W[1..L] (W[0] is None), the bias column last, the same on every rank: `state.W`, up to date. Collective."""
        W: Arrays = state.W
        return W

    def finite(self, state: Any) -> bool:
        """Is the iterate on this rank free of NaN and infinity? Asked every iteration: W shows any within one."""
        return all_finite(state.W)

    def measure(self, state: Any, problem: Problem, world: World, /) -> Mapping[str, Any]:
        """A row of metrics: `objective`, and where they are measured `primal_residual` and its `scale`. Collective."""
        row, residual = {"objective": self.objective(state, problem, world)}, self.residual(state, problem, world)
        return row if residual is None else row | {"primal_residual": residual[0], "scale": residual[1]}

    def reference(self, state: Any) -> Any:
        """The Optimum that the errors of this prepared state refer to; None where none is known."""
        return None

    def knows_optimum(self, L: int, loss: str) -> bool:
        """Does `measure` give `objective_error` and `mean_error` for L weight layers with this loss?"""
        return False

    def layer_seconds(self, state: Any) -> Mapping[int, float]:
        """Seconds that this rank has spent in each of its layers so far; empty: not measured by layer."""
        return {}

    # What the solver accepts

    def check(self, L: int) -> None:
        """Raise UsageError if the hyperparameters do not fit L weight layers or one another."""

    def check_loss(self, loss: Any, penalised: bool) -> None:
        """Raise UsageError if the hyperparameters do not fit the loss, or a [penalty]."""

    def check_dropout(self) -> None:
        """Raise UsageError if the solver cannot train with network.dropout: "(the solver) does not ..."."""
        if not self.drops:
            raise UsageError("does not train with dropout or noise")

    def check_problem(self, problem: Problem, world: World) -> None:
        """Raise UsageError, on all ranks, if network, samples and ranks do not fit the hyperparameters."""

    def rehearsed(self) -> Self:
        """The solver with every kind of iteration among its first three, for the rehearsal that compiles kernels."""
        mine = {f.name for f in fields(self) if getattr(self, f.name) is not None}  # type: ignore[arg-type]
        return replace(self, **{key: value for key, value in SOON.items() if key in mine})  # type: ignore[type-var]

    def streams(self, L: int, loss: str) -> bool:
        """May x stay in the file, for L weight layers and this loss?"""
        return self.streamed

    # How layers and samples are dealt to ranks

    @property
    def parts(self) -> int:
        """The number of parts into which the training samples are cut; 0: tiles of a width that suits the data."""
        return 0

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        """(blocks of layers, blocks of samples) that the ranks form. Raises UsageError if they cannot."""
        return 1, ranks

    def gridded(self, chain: int, samples: int) -> Self:
        """The solver on this grid of layers x samples; itself without `has_grid`."""
        return self

    def layer_costs(self, network: Network, tiles: Tiles, /) -> list[float]:
        """Multiply-adds of each layer. Layers are dealt to ranks so that these costs are balanced."""
        return [float(math.prod(network.shape(l))) for l in range(1, network.depth + 1)]

    def deal(self, network: Network, tiles: Tiles, chain: int, samples: int) -> list[Block]:
        """The layers of each rank of a chain, on a grid of chain x samples ranks, by `layer_costs`."""
        L = network.depth
        if chain in (1, L):
            return whole([(0, L)] if chain == 1 else [(l, l + 1) for l in range(L)])
        return whole(deal(self.layer_costs(network, tiles), chain))

    def dealt(self, state: Any) -> list[Block] | None:
        """The layers of each rank of the chain of this state, where they are not dealt by `deal`."""
        return None

    # Benchmark and performance model

    def bill(self, place: Place, iteration: int | None = None) -> Bill:
        """The operations of one rank in iteration 0, 1, ...; None: in a mean later one. Optional: `bench` times its
        products as the floor of an iteration, `hpcadmm scaling` predicts its seconds."""
        raise NotImplementedError

    @classmethod
    def billed(cls) -> bool:
        """Has the solver a bill?"""
        return cls.bill is not Solver.bill

    def check_billed(self) -> None:
        """Raise UsageError if the solver has no bill."""
        if not self.billed():
            raise UsageError(f"the model does not know the costs of {self.name}")

    def fill(self, place: Place) -> Bill | None:
        """The work that fills a pipeline of layers before its last rank can begin; None: layers do not wait."""
        return None

    def held_bytes(self, place: Place) -> float:
        """Approximate bytes of a rank's state and training data."""
        return gradient_memory(place)

    @property
    def variant(self) -> str:
        """The name of a variant with costs of its own; the performance model keeps variants apart."""
        return ""

    @property
    def carries(self) -> bool:
        """Do sums of an iteration travel into the next one?"""
        return False

    def samples(self, m: int, L: int, loss: str) -> int:
        """Of m training samples, those that an iteration uses, each as often as it does, for L layers and this loss."""
        return min(self.batch or m, m)


def all_finite(W: Arrays) -> bool:
    """Are all weights finite? Their norms tell; entries are looked at only if a norm overflows."""
    return all(math.isfinite(square(w)) or bool(np.isfinite(w).all()) for w in W[1:])


def allocated(shape: str, problem: Problem) -> Any:
    """The arrays of a state's field on this rank, zero except for the ones of INPUTS."""
    network, m, dtype = problem.network, problem.x.shape[1], problem.dtype
    layers = range(1, network.depth + 1)
    if shape == WEIGHTS:
        return [None, *(np.zeros(network.shape(l), dtype, order="F") for l in layers)]
    if shape == INPUTS:
        return [problem.x, *(network.activations(l, m, dtype) for l in layers[:-1])]
    units = [None, *(np.zeros((network.n[l], m), dtype, order="F") for l in layers)]
    return units if shape == UNITS else units[-1]
