"""A job under measurement: set up as for a run, then stepped one timed iteration after the other."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from hpcadmm.bench.timing import Sample, timed
from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.job.job import Job
from hpcadmm.model.problem import Part
from hpcadmm.model.state import items
from hpcadmm.solvers.shared.case import Place, place_here
from hpcadmm.solvers.shared.floor import Floor
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.training.measure import measure
from hpcadmm.training.rehearsal import rehearse
from hpcadmm.training.setup import Setup, blank, set_up

WARM = 3  # default number of iterations before the first sample


@dataclass
class Subject:
    """One job in progress on this rank."""

    job: Job
    setup: Setup
    state: Any
    world: World
    pools: ThreadpoolController = field(default_factory=ThreadpoolController)
    steps: list[Sample] = field(default_factory=list)
    floors: list[dict[str, tuple[float, float]]] = field(default_factory=list)  # by round: seconds, flops by name
    floor_cpu: list[Sample] = field(default_factory=list)  # of all products of a round
    sent: tuple[int, int] = (0, 0)  # bytes and messages of the last warm iteration
    layers: Mapping[int, float] = field(default_factory=dict)  # seconds in each layer before the first sample
    warmed: int = 0  # iterations before the first sample
    kernels_seconds: float = 0.0  # of the rehearsal

    @classmethod
    def start(cls, job: Job, world: World, like: "Subject | None" = None, warm: int = WARM) -> "Subject":
        """Set the job up and warm it; use the data of `like` if both jobs pose the same problem. Collective."""
        setup = like.setup if like and same_problem(job, like.job, world.size) else None
        pools = ThreadpoolController()
        with pools.limit(limits=job.head.threads):
            setup = setup or set_up(job, world)
            kernels_seconds = rehearse(job.solver, setup.problem, setup.world)
            with phase("starting"):
                state = blank(job.solver, setup)
                job.solver.start(state, setup.problem, setup.world)
            with phase("preparing"):
                job.solver.prepare(state, setup.problem, setup.world)
        subject = cls(job, setup, state, setup.world, pools, kernels_seconds=kernels_seconds)
        if warm:
            subject.warm(warm)
        return subject

    def warm(self, iterations: int) -> None:
        """Make iterations that do not count, at least one, and one evaluation, for its memory."""
        traffic = self.world.traffic
        with self.pools.limit(limits=self.job.head.threads), phase("warming up"):
            for _ in range(iterations):
                before = traffic.bytes, traffic.messages
                self.iterate()
            self.sent = traffic.bytes - before[0], traffic.messages - before[1]
            measure(self.job.solver, self.state, self.setup.problem, self.world)
        self.layers, self.warmed = self.job.solver.layer_seconds(self.state), iterations

    def iterate(self) -> None:
        self.job.solver.step(self.state, self.setup.problem, self.world)

    def step(self) -> None:
        """One iteration, timed."""
        with self.pools.limit(limits=self.job.head.threads), phase(f"iteration {len(self.steps) + 1}"):
            self.steps.append(timed(self.iterate, self.world))

    def layer_seconds(self) -> dict[int, float]:
        """Mean seconds of each layer in an iteration, on the rank that takes longest in it. Collective."""
        mine = [
            (l, (s - self.layers[l]) / len(self.steps)) for l, s in self.job.solver.layer_seconds(self.state).items()
        ]
        every = sorted(pair for said in self.world.gather(mine) for pair in said)
        return dict(every)

    def objective(self) -> float:
        """The objective at the iterate. Collective."""
        with self.pools.limit(limits=self.job.head.threads), phase("evaluating"):
            measured = self.job.solver.measure(self.state, self.setup.problem, self.world)
        return float(measured["objective"])

    @property
    def done(self) -> int:
        """Iterations so far."""
        return self.warmed + len(self.steps)

    @cached_property
    def place(self) -> Place:
        """The layers and columns of this rank."""
        return place_here(self.job.solver, self.setup.problem, self.world, self.state)

    @cached_property
    def _floor(self) -> Floor:
        problem = self.setup.problem
        return Floor(problem.tiles, problem.dtype, problem.products)

    @property
    def bill(self) -> Bill:
        """The operations of the last iteration on this rank; none if the solver has no bill."""
        return self.bill_of(self.done - 1)

    def bill_of(self, iteration: int) -> Bill:
        solver = self.job.solver
        return solver.bill(self.place, iteration) if solver.billed() else Bill(0, 0, 0)

    def floor(self, iteration: int | None = None) -> None:
        """Time each necessary product of this iteration, by default the last one, alone; all ranks begin together."""
        products = self._floor.of(self.bill if iteration is None else self.bill_of(iteration))
        seconds: dict[str, tuple[float, float]] = {}

        def run() -> None:
            for name, product in products.items():
                start = time.perf_counter()
                product()
                seconds[name] = time.perf_counter() - start, product.flops

        with self.pools.limit(limits=self.job.head.threads), phase(f"floor {len(self.floors) + 1}"):
            self.floor_cpu.append(timed(run, self.world))
        self.floors.append(seconds)

    @property
    def problem(self) -> dict[str, Any]:
        """The problem and how it lies on the ranks, for the report."""
        job, problem = self.job, self.setup.problem
        return {
            "name": job.head.name,
            "solver": job.solver.name,
            "sizes": [int(n) for n in problem.network.n],
            "samples": problem.tiles.n,
            "samples_per_iteration": job.solver.samples(problem.tiles.n, problem.network.depth, problem.loss.name),
            "precision": job.head.precision,
            "threads": job.head.threads,
            "ranks": self.world.size,
            "grid": list(job.solver.grid_of(len(job.layers.hidden) + 1, self.world.size)),
        }

    @property
    def finite(self) -> bool:
        """Is the iterate finite on all ranks? Collective."""
        return not self.world.max(float(not self.job.solver.finite(self.state)))[0]

    @property
    def held_bytes(self) -> int:
        """Bytes of the state and of the data of this rank's columns."""
        parts: list[Part] = [self.setup.problem.train, self.setup.problem.test]
        data = sum(np.asarray(array).nbytes for part in parts for array in (part.x, part.y, part.labels))
        return data + sum(item.array.nbytes for item in items(self.state))


def same_problem(job: Job, other: Job, ranks: int) -> bool:
    """Do both jobs pose the same problem and deal it alike, so that one may use the other's data?"""
    L = len(job.layers.hidden) + 1
    if job.solver.grid_of(L, ranks) != other.solver.grid_of(L, ranks) or job.solver.parts != other.solver.parts:
        return False
    parts = ("data", "layers", "activation", "loss")
    heads = ("seed", "precision", "tile")
    return all(getattr(job, p) == getattr(other, p) for p in parts) and all(
        getattr(job.head, h) == getattr(other.head, h) for h in heads
    )
