"""A table of runs from what their folders tell; needs neither MPI nor the data."""

import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from hpcadmm.after.words import printable
from hpcadmm.errors import UsageError, denied
from hpcadmm.storage.folders import newest
from hpcadmm.storage.holder import holder
from hpcadmm.storage.readers import plain, scaling_of
from hpcadmm.storage.run import RUNS, read_job, read_metrics, read_summary

# The first to go first.
EXTRA = ("scaling", "network", "ranks", "train", "objective", "data", "solver", "weights", "seconds")
FOLDED = 24  # characters of a cell that is longer are folded
NUMBERS = ("ranks", "iterations", "seconds", "train", "test", "objective")


def show(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """A row for each run folder, by default for all in results/runs, as JSON knows it.

    Among several, one that is not a run is a row whose state says so; alone it is a UsageError.
    """
    if not folders:
        folders = sorted(path for path in RUNS.iterdir() if path.is_dir()) if RUNS.is_dir() else []
        return [row_or_fault(folder) for folder in folders]
    return [row_or_fault(folder) for folder in folders] if len(folders) > 1 else [row(folders[0])]


def row_or_fault(folder: Path) -> dict[str, Any]:
    """The row of a folder; of one that is not a run only its name and why not."""
    try:
        return row(folder)
    except UsageError as error:
        why = str(error)
    except OSError as error:
        why = denied(error)
    return {"run": str(folder), "state": "not a run", "error": why}


def row(folder: Path) -> dict[str, Any]:
    """What a run folder tells: the job, how far it came, what it reached, and whether it is done.

    Raises UsageError if it is not a run folder or a file in it is damaged.
    """
    job = described(folder)
    summary, metrics = read_summary(folder), read_metrics(folder)
    last = (metrics or [{}])[-1]
    stopped = state(folder, summary, last)
    saved: dict[str, Any] = {}
    if summary is None or stopped in ("running", "killed"):
        summary, saved = {}, last_saved(folder)
    reached = last | (saved if saved.get("iteration", -1) > last.get("iteration", 0) else {}) | summary
    measures = ("train_accuracy", "test_accuracy", "train_error", "test_error", "objective", "primal_residual")
    return plain(
        {
            "run": str(folder),
            **job,
            "state": stopped,
            "ranks": reached.get("ranks"),
            "iterations": reached.get("iterations", reached.get("iteration", 0)),
            "stop_reason": reached.get("stop_reason"),
            "seconds": reached.get("seconds"),
            **{key: reached[key] for key in measures if key in reached},
            "weights_sha256": reached.get("weights_sha256"),
            **({"checkpoint": saved["iteration"]} if saved else {}),
        }
    )


def last_saved(folder: Path) -> dict[str, Any]:
    """Iteration and solver seconds of the newest checkpoint that can be read; empty where there is none."""
    found = newest(folder / "checkpoints")
    if found:
        from hpcadmm.storage.parts import read_meta  # HDF5, which other runs need not wait for
    for path in found:
        with suppress(UsageError, OSError, KeyError, TypeError):
            meta = read_meta(path)
            return {"iteration": meta["iteration"], "seconds": meta["totals"]["seconds"]}
    return {}


def described(folder: Path) -> dict[str, Any]:
    """Name, solver, network and data of the job."""
    try:
        job = tomllib.loads(read_job(folder))
        hidden = "-".join(map(str, job["network"]["hidden"])) or "none"
        return {
            "name": str(job["name"]),
            "solver": str(job["solver"]["name"]),
            "network": f"{hidden} {job['network']['activation']}",
            "loss": str(job["loss"]["name"]),
            "data": str(job["data"]["name"]),
            "scaling": scaling_of(job["data"]),
            "precision": str(job["precision"]),
        }
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}: job.toml is not a resolved job: {error!r}") from None


def state(folder: Path, summary: dict[str, Any] | None, last: dict[str, Any]) -> str:
    """running, finished, interrupted (by a signal; can be resumed), diverged, or killed (ended without a word)."""
    held = holder(folder)
    if held is not None:
        return "running" if held else "killed"
    if summary is None or summary.get("iterations", 0) < last.get("iteration", 0):
        return "killed"
    return str(summary.get("state", "finished"))


def shown(rows: Sequence[dict[str, Any]], width: int) -> Table:
    """The rows for people, `width` characters wide; where those are too few, EXTRA columns are left out."""
    lines = [line(row) for row in rows]
    longest = {key: max(len(key), *(len(one[key]) for one in lines)) for key in lines[0]}
    keys = [key for key in longest if any(one[key] for one in lines)]
    for extra in EXTRA:
        if sum(min(longest[key], FOLDED) + 3 for key in keys) <= width:
            break
        keys = [key for key in keys if key != extra]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for key in keys:
        table.add_column(key, justify="right" if key in NUMBERS else "left", no_wrap=key in NUMBERS, overflow="fold")
    for one in lines:
        table.add_row(*(one[key] for key in keys))
    return table


def line(row: dict[str, Any]) -> dict[str, str]:
    """The cells of a row, in the order of the columns; "" where nothing is known."""
    return {
        "run": printable(row["run"]),
        "state": row["state"],
        "solver": printable(row.get("solver", "")),
        "network": printable(row.get("network", "")),
        "data": printable(row.get("data", "")),
        "scaling": row.get("scaling", ""),
        "ranks": number(row.get("ranks"), "d"),
        "iterations": number(row.get("iterations"), "d"),
        "seconds": number(row.get("seconds"), ".2f"),
        "train": score(row, "train"),
        "test": score(row, "test"),
        "objective": number(row.get("objective"), ".5g"),
        "weights": (row.get("weights_sha256") or "")[:12],
        "why": printable(row.get("error") or row.get("stop_reason") or checkpoint(row)),
    }


def checkpoint(row: dict[str, Any]) -> str:
    """Where a run goes on that has not ended by itself."""
    return f"last checkpoint: iteration {row['checkpoint']}" if "checkpoint" in row else ""


def score(row: dict[str, Any], part: str) -> str:
    """Accuracy in per cent, or the mean squared error; a dash for a part without samples.

    >>> score({"test_accuracy": 0.95}, "test"), score({"train_error": 0.25}, "train"), score({}, "test")
    ('95.00 %', '0.25', '')
    >>> score({"test_accuracy": None}, "test")
    '-'
    """
    accuracy, error = (row.get(f"{part}_{what}", "") for what in ("accuracy", "error"))
    if accuracy is None or error is None:
        return "-"
    return f"{100 * accuracy:.2f} %" if accuracy != "" else number(error, ".4g")


def number(value: Any, how: str) -> str:
    """A cell of a number, "" if there is none."""
    return format(value, how) if isinstance(value, int | float) else ""
