"""The state that a solver carries from one call of `partial_fit` to the next: moments, step counts, curvatures."""

from typing import Any

from hpcadmm.model.state import Array, items, take_numbers
from hpcadmm.training.callbacks import Callback
from hpcadmm.training.current import Training

LIES = ("replicated", "layers")  # arrays that do not belong to single samples


class Carried(Callback):
    """Keeps the state of a run, and begins the next run with it."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def start(self, run: Training) -> None:
        """Overwrite the first state. Collective."""
        found = list(items(run.state))
        for item in found:
            before = self.arrays.get(item.path)
            if before is not None and before.shape == item.array.shape:
                item.array[...] = before
        if self.arrays:
            take_numbers(run.state, found)
            run.job.solver.prepare(run.state, run.problem, run.world)

    def end(self, run: Training, summary: dict[str, Any]) -> None:
        self.arrays = {item.path: item.array.copy() for item in items(run.state) if item.lies in LIES}
