"""A run in progress, on this rank."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpcadmm.comm.world import World
from hpcadmm.job.job import Job
from hpcadmm.model.problem import Problem
from hpcadmm.storage.run import Run
from hpcadmm.training.callbacks import Callback
from hpcadmm.training.measure import Clock, Row
from hpcadmm.training.progress import Progress
from hpcadmm.training.setup import Setup
from hpcadmm.training.stopping import Stopping


@dataclass
class Training:
    """One run in progress on this rank."""

    job: Job
    setup: Setup
    state: Any
    run: Run
    progress: Progress
    clock: Clock
    stopping: Stopping
    iteration: int = 0
    row: Row = field(default_factory=dict)  # the last measured one
    saved: int = -1  # the iteration of the last checkpoint
    saved_at: float = 0.0  # solver seconds then
    starved: bool = False  # the disk took neither a row nor a checkpoint
    kernels_seconds: float = 0.0  # of the rehearsal
    prepare_seconds: float = 0.0  # of the solver's `prepare`: factors, an optimum
    callbacks: Sequence[Callback] = ()
    asked: str | None = None  # why a callback ends the run

    @property
    def problem(self) -> Problem:
        return self.setup.problem

    @property
    def world(self) -> World:
        return self.setup.world

    @property
    def spent(self) -> int:
        """The iterations that count for stop.iterations: those of the present fit of a path."""
        return self.job.solver.spent(self.state, self.iteration)

    @property
    def folder(self) -> Path | None:
        """The run folder; None if nothing is saved."""
        return self.run.folder if self.run.saves else None

    @property
    def first(self) -> bool:
        """Is this the rank that prints and writes?"""
        return self.world.first
