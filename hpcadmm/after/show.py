"""A table of runs, read from their folders. Needs neither MPI nor the data."""

import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from hpcadmm.errors import UsageError, denied, printable
from hpcadmm.storage.folders import newest
from hpcadmm.storage.lock import holder
from hpcadmm.storage.readers import plain, scaling_of
from hpcadmm.storage.run import RUNS, read_job, read_metrics, read_summary

# Columns that are dropped from a narrow table, in this order.
EXTRA = ("scaling", "best", "network", "ranks", "train", "objective", "data", "solver", "weights", "seconds")
FOLDED = 24  # longer cells are folded at this many characters
NUMBERS = ("ranks", "iterations", "seconds", "train", "test", "objective")
MEASURES = ("train_accuracy", "test_accuracy", "train_error", "test_error", "objective", "primal_residual")


def show(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """A row per run folder (default: all in results/runs), ready for JSON.

    Among several folders, one that is not a run becomes a row that says so; a single one raises UsageError.
    """
    if len(folders) == 1:
        return [row(folders[0])]
    if not folders:
        folders = sorted(path for path in RUNS.iterdir() if path.is_dir()) if RUNS.is_dir() else []
    return [row_or_fault(folder) for folder in folders]


def row_or_fault(folder: Path) -> dict[str, Any]:
    """The row of a folder; if it is not a run, its name and the reason."""
    try:
        return row(folder)
    except UsageError as error:
        why = str(error)
    except OSError as error:
        why = denied(error)
    return {"run": str(folder), "state": "not a run", "error": why}


def row(folder: Path) -> dict[str, Any]:
    """The job of a run, its state, its iterations and its last measurements.

    Raises UsageError if the folder is not a run or one of its files is damaged.
    """
    job = described(folder)
    summary, metrics = read_summary(folder), read_metrics(folder)
    last = (metrics or [{}])[-1]
    stopped = state(folder, summary, last)
    saved: dict[str, Any] = {}
    if summary is None or stopped in ("running", "killed"):
        summary, saved = {}, last_saved(folder)
    reached = last | (saved if saved.get("iteration", -1) > last.get("iteration", 0) else {}) | summary
    return plain(
        {
            "run": str(folder),
            **job,
            "state": stopped,
            "ranks": reached.get("ranks"),
            "iterations": reached.get("iterations", reached.get("iteration", 0)),
            "stop_reason": reached.get("stop_reason"),
            "seconds": reached.get("seconds"),
            **{key: reached[key] for key in MEASURES if key in reached},
            "weights_sha256": reached.get("weights_sha256"),
            **({"best": reached["best"]} if "best" in reached else {}),
            **({"checkpoint": saved["iteration"]} if saved else {}),
        }
    )


def last_saved(folder: Path) -> dict[str, Any]:
    """Iteration and solver seconds of the newest readable checkpoint; empty if there is none."""
    found = newest(folder / "checkpoints")
    if found:
        from hpcadmm.storage.parts import read_meta  # imports HDF5, which most rows do not need
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
    """running, finished, interrupted (by a signal, resumable), diverged, or killed (ended without a summary)."""
    held = holder(folder)
    if held is not None:
        return "running" if held else "killed"
    if summary is None or summary.get("iterations", 0) < last.get("iteration", 0):
        return "killed"
    return str(summary.get("state", "finished"))


def shown(rows: Sequence[dict[str, Any]], width: int) -> Table:
    """The rows as a table of `width` characters. A narrow table drops columns, in the order of EXTRA."""
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
    """The cells of a row, in the order of the columns; "" for an unknown value."""
    saved = f"last checkpoint: iteration {row['checkpoint']}" if "checkpoint" in row else ""
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
        "best": best(row.get("best")),
        "objective": number(row.get("objective"), ".5g"),
        "weights": (row.get("weights_sha256") or "")[:12],
        "why": printable(row.get("error") or row.get("stop_reason") or saved),
    }


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


def best(found: dict[str, Any] | None) -> str:
    """The best value of the metric of save.best, and its iteration; "" if the run does not ask for it.

    >>> best({"metric": "test_accuracy", "value": 0.95, "iteration": 40})
    '95.00 % (40)'
    """
    if not found:
        return ""
    what = "accuracy" if "accuracy" in found["metric"] else "error"
    return f"{score({f'best_{what}': found['value']}, 'best')} ({found['iteration']})"


def number(value: Any, how: str) -> str:
    """A formatted number; "" if there is none."""
    return format(value, how) if isinstance(value, int | float) else ""
