"""What `hpcadmm bench` takes on the command line besides the job."""

from collections.abc import Sequence
from dataclasses import dataclass

from hpcadmm.errors import UsageError

PARTS = ("machine", "floor", "iteration", "first")


@dataclass(frozen=True)
class Options:
    """iterations: measured rounds of the parts `only` (all if empty). against: overrides of the job to compare with.

    warm: iterations before the first round; in them kernels are compiled, buffers made, scales of the sums settled.
    target: exit code 1 if the ratio is above it.
    """

    iterations: int = 7
    warm: int = 3
    against: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    target: float | None = None

    def wants(self, part: str) -> bool:
        """Is this part to be measured? "first" only if named; so is the floor if two jobs are compared."""
        return part in self.only if self.only else part != "first" and not (self.against and part == "floor")

    def check(self, job: bool, overrides: Sequence[str] = ()) -> None:
        """Raise UsageError for options that do not go together."""
        if overrides and not job:
            raise UsageError(f"--set {overrides[0]} changes a job: name the JOB")
        if self.against and not job:
            raise UsageError("--against KEY=VALUE compares a job with a variant of itself: name the JOB")
        if not job and self.only and "machine" not in self.only:
            raise UsageError(f"--only {self.only[0]} measures a job: name the JOB")
        if self.against and "floor" in self.only:
            raise UsageError("--against and --only floor are two measurements: run one after the other")
        if self.wants("first") and len(set(self.only)) > 1:
            raise UsageError("--only first: a job has one first iteration per process; measure the other parts apart")
        if self.target is not None and (not job or not (self.against or self.wants("floor") or self.wants("first"))):
            raise UsageError("--target RATIO needs a ratio: a JOB with its floor or first, --against or --scaling")
