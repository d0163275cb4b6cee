"""Progress of a run: a bar on a terminal, plain lines elsewhere, nothing if quiet or not the first rank."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcadmm.comm.launcher import terminal
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.formats.generic import Generic
from hpcadmm.job.job import Job
from hpcadmm.training.measure import Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

SHOWN = {
    "objective": "objective",
    "primal_residual": "residual",
    "train_accuracy": "train",
    "test_accuracy": "test",
    "train_error": "train error",
    "test_error": "test error",
}
BRIEF = ("objective", "test_accuracy", "test_error")  # next to a bar, in 80 columns


def sentence(row: Row, keys: Iterable[str] = SHOWN) -> str:
    """The last measured row in a few words; a dash for a part without samples.

    >>> sentence({"objective": 12.5, "test_accuracy": 0.9531}), sentence({"test_error": None})
    ('objective 12.5  test 95.31 %', 'test error -')
    """
    return "  ".join(f"{SHOWN[key]} {figure(key, row[key])}" for key in keys if key in row)


def figure(key: str, value: float | None) -> str:
    """A value of a measured row, accuracies in per cent."""
    if value is None:
        return "-"
    return f"{value:.2%}".replace("%", " %") if "accuracy" in key else f"{value:.6g}"


def best_sentence(best: Row) -> str:
    """The best iteration in a few words.

    >>> best_sentence({"metric": "test_accuracy", "value": 0.9531, "iteration": 40})
    'best: test accuracy 95.31 % in iteration 40'
    """
    name, value = best["metric"], best["value"]
    return f"best: {name.replace('_', ' ')} {figure(name, value)} in iteration {best['iteration']}"


def title(data: Dataset) -> str:
    """The data in a word: the name of the user's file, or of the dataset.

    >>> from hpcadmm.datasets import DATASETS
    >>> title(DATASETS["csv"](path="/a/my.csv")), title(DATASETS["digits"]())
    ('my.csv', 'digits')
    """
    file = Path(data.train or data.path or "").name if isinstance(data, Generic) else ""
    return file or data.name


def bar_console() -> "Console | None":
    """Standard error for a bar; None if no terminal shows it."""
    size = None if sys.stderr.isatty() else terminal(sys.stderr)
    if size is None and not sys.stderr.isatty():
        return None
    from rich.console import Console  # imported late: only a bar needs it, and it takes a while

    return Console(stderr=True) if size is None else Console(stderr=True, force_terminal=True, width=size.columns or 80)


class Progress:
    """Shows steps on standard error and the result on standard output."""

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self._bar: Bar | None = None
        self._task: Any = None
        self._last = -1

    def say(self, text: str) -> None:
        """A line on standard error."""
        if self.shown:
            print(text, file=sys.stderr, flush=True)

    def begin(self, job: Job, ranks: int, folder: Path, done: int) -> None:
        """The first line: the solver, the data, the ranks, the run folder, and how many of the iterations are done."""
        on = f"{job.solver.name} on {title(job.data)}, {ranks} {'ranks' if ranks > 1 else 'rank'}"
        self.say(f"{on}, run folder: {folder}  ({done} of {job.stop.iterations} iterations done)")

    @contextmanager
    def of(self, job: Job, done: int) -> Iterator[None]:
        """Show a progress bar inside the block if standard error is a terminal, or mpiexec shows it on one."""
        console = bar_console() if self.shown else None
        if console is None:
            yield
            return
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        text = TextColumn("{task.description}")
        columns = (BarColumn(bar_width=12), MofNCompleteColumn(), TimeRemainingColumn(), text)
        with Bar(*columns, console=console) as self._bar:
            total = job.stop.iterations if job.solver.path is None else None  # of a path they are those of each fit
            self._task = self._bar.add_task("", total=total, completed=done)
            yield
        self._bar = None

    def step(self, iteration: int, row: Row) -> None:
        """After an iteration; `row` is the last measured one."""
        if self._bar is not None:
            self._bar.update(self._task, completed=iteration, description=sentence(row, BRIEF))
        elif self.shown and row.get("iteration") == iteration != self._last:
            self._last = iteration
            self.say(f"iteration {iteration}  {row['seconds']:.3f} s  {sentence(row)}")

    def end(self, summary: Row, folder: Path | None) -> None:
        """The result: why the run stopped, the last measures, the best iteration if asked for, the folder if any."""
        if self.shown:
            cost = f"{summary['seconds']:.3f} s of solver time on {summary['ranks']} ranks"
            print(f"stopped: {summary['stop_reason']}, {cost}")
            best = [best_sentence(summary["best"])] if summary.get("best", {}).get("iteration") else []
            where = [f"run folder: {folder}"] if folder else []
            print("\n".join(filter(None, [sentence(summary), *best, *where])), flush=True)
