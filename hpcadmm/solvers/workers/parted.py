"""What solvers have in common whose workers, each with a part of the samples, are dealt to ranks."""

from collections.abc import Mapping
from typing import Any, ClassVar

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.base import Solver


class Parted(Solver):
    """Mixin of solvers with so many `workers`."""

    constrained: ClassVar[bool] = True
    workers: int

    @property
    def parts(self) -> int:
        """The samples are cut into as many parts as there are workers."""
        return self.workers

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        """Ranks have whole workers."""
        if ranks > self.workers:
            raise UsageError(
                f"{ranks} ranks, but solver.workers = {self.workers}, of which a rank has whole ones: "
                f"start at most {self.workers} ranks"
            )
        return 1, ranks

    def check_problem(self, problem: Problem, world: World) -> None:
        """A worker may even be without samples."""

    def reference(self, state: Any) -> Any:
        return state.work.optimum

    def layer_seconds(self, state: Any) -> Mapping[int, float]:
        return {}
