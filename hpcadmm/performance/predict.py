"""Seconds of an iteration: the slowest rank's bill at the machine's rates, and its messages over the network."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from hpcadmm.performance.fabric import Network
from hpcadmm.performance.machine import Machine
from hpcadmm.solvers.shared.case import Case, Place, places, shared
from hpcadmm.solvers.shared.ops import Message

FACTORS = ("products", "passes", "serial", "communicate")  # what may be fitted to measured points
NONE = dict.fromkeys(FACTORS, 1.0)
Parts = dict[str, float]
Factors = Mapping[str, float]
Value = TypeVar("Value")
TERMS = {  # a prediction is their sum; the words name the one that limits
    "work": "the products and passes, divided evenly",
    "serial": "the factors and small solves that every rank with these layers repeats",
    "tiles": "too few tiles of samples a rank: some have one more than others, or none",
    "layers": "layers of unequal cost, or more than one on some ranks",
    "fill": "the filling of the pipeline of layers",
    "latency": "the latency of its messages",
    "bytes": "the bandwidth for its messages",
}


@dataclass(frozen=True)
class Prediction:
    """For one rank count. seconds: the sum of `terms`; memory: bytes of the rank that needs most."""

    ranks: int
    grid: tuple[int, int]
    seconds: float
    terms: Parts
    memory: float

    @property
    def limit(self) -> str:
        """The largest term but the work itself."""
        return max((name for name in self.terms if name != "work"), key=lambda name: self.terms[name])


@dataclass(frozen=True)
class Estimate:
    """The seconds of a case on a grid before factors are applied."""

    case: Case
    grid: tuple[int, int]
    machine: Machine
    network: Network

    @cached_property
    def blocks(self) -> list[Parts]:
        """The seconds of the busiest rank of each block of layers."""
        return once_each(places(self.case, *self.grid), lambda place: self.work(place) | self.talk(place))

    @cached_property
    def even(self) -> list[Parts]:
        """The same with an even share of the columns."""
        return once_each(shared(self.case, *self.grid), self.work)

    @cached_property
    def most_memory(self) -> float:
        return max(once_each(places(self.case, *self.grid), self.case.solver.held_bytes))

    @property
    def rates(self) -> Any:
        return self.machine.at(min(self.grid[0] * self.grid[1], self.network.ranks_per_node))

    def timed(self, ops: Iterable[Any]) -> Parts:
        """Seconds of all operations but messages, by the factor that they belong to."""
        found, rates = dict.fromkeys(("products", "passes", "serial"), 0.0), self.rates
        for op in ops:
            if not isinstance(op, Message):
                kind, seconds = rates.seconds(op, self.case.precision)
                found[kind] += seconds
        return found

    def work(self, place: Place) -> Parts:
        """Seconds of a place's own work, and of filling the pipeline if its layers wait for others."""
        found = self.timed(self.case.solver.bill(place)) | {"fill products": 0.0, "fill passes": 0.0}
        passed = self.case.solver.fill(place)
        if passed is not None:
            for kind, seconds in self.timed(passed).items():
                if kind != "serial":
                    found[f"fill {kind}"] = seconds * (place.chain - 1) / max(place.calls, 1)
        return found

    def talk(self, place: Place) -> Parts:
        """Seconds of a place's messages. A message that overlaps work costs its latency only."""
        latency = size = hidden = 0.0
        for op in self.case.solver.bill(place):
            if not isinstance(op, Message) or getattr(place, op.group) == 1:
                continue
            ranks = getattr(place, op.group)
            if op.verb == "send":
                first, rest = self.network.send(place.ranks, place.samples if op.group == "chain" else 1, op.bytes)
            else:  # of a gather every rank receives all bytes
                first, rest = self.network.allreduce(ranks, op.bytes * (ranks / 2 if op.verb == "gather" else 1))
            latency += op.times * first
            if op.overlapped:
                hidden += op.times * rest
            else:
                size += op.times * rest
        return {"latency": latency, "bytes": size, "hidden": hidden}

    def predict(self, factors: Factors = NONE) -> Prediction:
        """The prediction with fitted factors."""
        busy, even = ([total(parts, factors) for parts in some] for some in (self.blocks, self.even))
        slowest = max(range(len(busy)), key=lambda k: busy[k])
        worst, mean = self.blocks[slowest], sum(even) / len(even)
        serial = factors["serial"] * sum(parts["serial"] for parts in self.even) / len(self.even)
        uncovered = max(0.0, worst["hidden"] * factors["communicate"] - busy[slowest])
        terms = {
            "work": mean - serial,
            "serial": serial,
            "tiles": max(0.0, sum(busy) / len(busy) - mean),
            "layers": busy[slowest] - max(sum(busy) / len(busy), mean),
            "fill": factors["products"] * worst["fill products"] + factors["passes"] * worst["fill passes"],
            "latency": factors["communicate"] * worst["latency"],
            "bytes": factors["communicate"] * worst["bytes"] + uncovered,
        }
        ranks = self.grid[0] * self.grid[1]
        return Prediction(ranks, self.grid, sum(terms.values()), terms, self.most_memory)


def once_each(some: Iterable[Place], value: Callable[[Place], Value]) -> list[Value]:
    """The value of each place, computed once for places that do the same work."""
    found: dict[tuple[object, ...], Value] = {}
    values = []
    for place in some:
        if place.like not in found:
            found[place.like] = value(place)
        values.append(found[place.like])
    return values


def total(parts: Parts, factors: Factors) -> float:
    """Seconds of a rank's own work."""
    return sum(factors[kind] * parts[kind] for kind in ("products", "passes", "serial"))


def estimate(case: Case, ranks: int, machine: Machine, network: Network) -> Estimate:
    """The estimate for a number of ranks, on the grid that the solver forms. Raises UsageError if it refuses."""
    case.solver.check_billed()
    return Estimate(case, case.grid(ranks), machine, network)
