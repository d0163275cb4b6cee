"""Tests for solvers of your own. In a test module of your package:

    from hpcadmm.testing import SolverTests

    class TestMine(SolverTests):
        solver = Mine()

pytest then asks of it all that it asks of the package's own solvers, with ranks as threads of one process: the same
bits on any number of ranks and after a resume, a falling objective, a docstring for every key. Solvers with `cut` need
one that lets six ranks share the work, such as `Mine(cut=6)`.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hpcadmm.errors import UsageError
from hpcadmm.solvers import SOLVERS
from hpcadmm.testing import checks
from hpcadmm.testing.problems import minimises

__all__ = ["SolverTests"]

TYPES: tuple[type, ...] = (np.float32, np.float64)


class SolverTests:
    """What every registered solver must do; a subclass names the solver."""

    solver: Any
    losses: ClassVar[tuple[str, ...]] = ("hinge", "squared", "cross-entropy")

    @property
    def able(self) -> list[str]:
        """The losses that the solver minimises."""
        return [loss for loss in self.losses if minimises(self.solver, loss)]

    def test_it_is_registered_under_its_name(self) -> None:
        assert SOLVERS[self.solver.name] is type(self.solver)

    def test_it_is_a_frozen_record_whose_keys_are_explained(self) -> None:
        checks.is_described(self.solver)

    def test_training_lowers_the_objective_and_learns(self) -> None:
        checks.learns(self.solver, self.able[0])

    def test_weights_fit_the_network(self) -> None:
        for hidden in ((), (5,), (4, 6)):
            checks.weights_fit(self.solver, hidden)
            if self.solver.billed():
                checks.has_a_floor(self.solver, hidden)

    def test_finite_tells_a_nan(self) -> None:
        checks.tells_a_nan(self.solver)

    def test_measuring_changes_nothing(self) -> None:
        checks.measuring_changes_nothing(self.solver)

    def test_ranks_agree_in_every_bit(self) -> None:
        for loss in self.able:
            for dtype in TYPES:
                checks.ranks_agree(self.solver, (2, 3, 5), 4, loss=loss, dtype=dtype, samples=333)

    def test_ranks_agree_whatever_the_sizes(self) -> None:
        """Of one sample, and of more ranks than tiles, unless the solver refuses so many ranks."""
        for samples, size, hidden in ((1, 4, (5,)), (130, 6, (3, 6)), (150, 2, ())):
            try:
                checks.ranks_agree(self.solver, (size,), 3, samples=samples, hidden=hidden)
            except UsageError as error:
                if "at most" not in str(error):
                    raise

    def test_it_resumes_bit_for_bit(self) -> None:
        for dtype in TYPES:
            checks.resumes(self.solver, dtype)

    def test_it_restarts_from_weights_alone(self) -> None:
        for dtype in TYPES:
            checks.restarts_from_weights(self.solver, dtype)

    def test_a_seed_is_a_run(self) -> None:
        checks.a_seed_is_a_run(self.solver)

    def test_samples_may_have_weights(self) -> None:
        if self.solver.weighted:
            checks.ranks_agree(self.solver, (2,), 5, samples=120, weight=np.linspace(0, 3, 120))
            checks.weights_of_one_change_nothing(self.solver, np.float64, 5, 120)

    def test_a_job_trains_it_and_resumes_it(self, tmp_path: Path) -> None:
        checks.trains_from_a_job_and_resumes(self.solver, self.able[0], tmp_path)
