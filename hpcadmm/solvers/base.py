"""What the training loop asks of a solver."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Arrays
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import gradient_memory
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.solvers.shared.products import Product


class Solver(Protocol):
    """An algorithm; `State` is its own dataclass, declared above it."""

    name: ClassVar[str]
    paper: ClassVar[str]
    most_layers: ClassVar[int | None]  # of weights in a network that it can train: 1 is a linear model, None any
    losses: ClassVar[tuple[str, ...] | None]  # that it can minimise; None: all
    constrained: ClassVar[bool]  # is `primal_residual` how far constraints are from holding? Else a gradient's norm

    @property
    def parts(self) -> int:
        """Into how many parts the training samples are cut, by which they are dealt to ranks; 0: into tiles."""
        ...

    def knows_optimum(self, L: int, loss: str) -> bool:
        """Does `measure` give `objective_error` and `mean_error` of networks of L weight layers with this loss?"""
        ...

    def check(self, L: int) -> None:
        """Raise UsageError where the hyperparameters do not fit L weight layers."""
        ...

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        """Into how many blocks of layers and of samples the ranks divide the work; UsageError where they cannot."""
        ...

    def check_problem(self, problem: Problem, world: World) -> None:
        """Raise UsageError, on all ranks, where network, samples and ranks do not suit the hyperparameters."""
        ...

    def blank(self, problem: Problem, world: World) -> Any:
        """A state with its arrays allocated on this rank, to be filled by `start` or from a checkpoint."""
        ...

    def start(self, state: Any, problem: Problem, world: World) -> None:
        """Fill a blank state with the first iterate."""
        ...

    def prepare(self, state: Any, problem: Problem, world: World) -> None:
        """Form what is derived from the state and the data (factors, buffers), after `start` or a checkpoint."""
        ...

    def step(self, state: Any, problem: Problem, world: World) -> None:
        """One iteration."""
        ...

    def weights(self, state: Any, world: World) -> Arrays:
        """W[1..L] (W[0] is None), the bias column last, the same on every rank: `state.W`, brought up to date.

        Collective.
        """
        ...

    def set_weights(self, state: Any, weights: Arrays, problem: Problem, world: World) -> None:
        """Fill a blank state from weights alone: the restart from a checkpoint of weights."""
        ...

    def finite(self, state: Any) -> bool:
        """Is what this rank holds of the iterate free of NaN and infinity? Cheap: asked every iteration."""
        ...

    def measure(self, state: Any, problem: Problem, world: World) -> Mapping[str, float]:
        """`objective` and `primal_residual`, and `scale`, what the residual is relative to; over all ranks."""
        ...

    def reference(self, state: Any) -> Any:
        """The Optimum that the errors of this state refer to, once prepared; None where none is known."""
        ...

    def layer_seconds(self, state: Any) -> Mapping[int, float]:
        """Seconds that this rank has spent in each of its layers so far; empty where layers are not told apart."""
        ...

    def floor(self, state: Any, problem: Problem) -> Mapping[str, Product]:
        """The necessary matrix products of one iteration on this rank, by name, each to be timed alone."""
        ...

    has_grid: ClassVar[bool]  # does it deal layers to ranks, as `grid` says?

    def gridded(self, chain: int, samples: int) -> Self:
        """The solver on this grid of layers x samples; itself where it has no grid."""
        ...

    def layer_costs(self, network: Network, tiles: Tiles) -> list[float]:
        """Multiply-adds of each layer, by which layers are dealt to ranks."""
        ...

    @classmethod
    def billed(cls) -> bool:
        """Are the costs of an iteration known?"""
        ...

    def check_billed(self) -> None:
        """Raise UsageError if the costs of an iteration are not known."""
        ...

    def bill(self, place: Place, iteration: int | None = None) -> Bill:
        """The operations of one rank in iteration k = 0, 1, ...; None: in a mean later one.

        Of cg and lbfgs: in one evaluation.
        """
        ...

    def fill(self, place: Place) -> Bill | None:
        """What has to pass through a chain before its last rank has work; None where layers do not wait for another."""
        ...

    def held_bytes(self, place: Place) -> float:
        """Bytes of a rank's state and training data, about."""
        ...


class Versatile:
    """What solvers have in common that train any network, by tiles of the samples."""

    name: ClassVar[str]
    most_layers: ClassVar[int | None] = None
    losses: ClassVar[tuple[str, ...] | None] = None
    constrained: ClassVar[bool] = True
    has_grid: ClassVar[bool] = False

    def gridded(self, chain: int, samples: int) -> Self:
        return self

    def layer_costs(self, network: Network, tiles: Tiles) -> list[float]:
        return [float(network.shape(l)[0] * network.shape(l)[1]) for l in range(1, network.depth + 1)]

    @classmethod
    def billed(cls) -> bool:
        return cls.bill is not Versatile.bill

    def check_billed(self) -> None:
        if not self.billed():
            raise UsageError(f"the model does not know the costs of {self.name}")

    def bill(self, place: Place, iteration: int | None = None) -> Bill:
        raise NotImplementedError

    def fill(self, place: Place) -> Bill | None:
        return None

    def held_bytes(self, place: Place) -> float:
        return gradient_memory(place)

    @property
    def parts(self) -> int:
        return 0

    def knows_optimum(self, L: int, loss: str) -> bool:
        return False

    def reference(self, state: Any) -> None:
        return None


class DataParallel(Versatile):
    """What solvers have in common of which every rank has all layers, and columns of its own."""

    def check(self, L: int) -> None:
        """Any depth will do."""

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        return 1, ranks

    def check_problem(self, problem: Problem, world: World) -> None:
        """Any problem will do, on any number of ranks."""

    def layer_seconds(self, state: Any) -> Mapping[int, float]:
        return {}

    def weights(self, state: Any, world: World) -> Arrays:
        W: Arrays = state.W
        return W
