"""What a run folder tells: readers for one process (show, plot, evaluate), and values made plain for JSON."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.errors import UsageError

JOB, ENVIRONMENT, METRICS, LOG, SUMMARY = "job.toml", "environment.json", "metrics.jsonl", "log.txt", "summary.json"


def plain(value: Any) -> Any:
    """Numbers, lists and dicts that JSON knows; NaN and infinity become None.

    >>> plain({"a": np.float32("nan"), "b": (np.int64(1), float("inf"), 0.5)})
    {'a': None, 'b': [1, None, 0.5]}
    """
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def scaling_of(data: dict[str, Any]) -> str:
    """How features are scaled, in a word, from the table [data] of a resolved job.

    >>> scaling_of({"standardise": True, "scale": "none"}), scaling_of({"standardise": False, "scale": "unit"})
    ('standard', 'unit')
    """
    return "standard" if data.get("standardise") is True else str(data.get("scale"))


def read_job(folder: Path) -> str:
    """The text of job.toml. UsageError if the folder is not that of a run."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"there is no run folder {folder}")
    if not (folder / JOB).is_file():
        raise UsageError(f"{folder} is not a run folder: it has no {JOB}")
    return _text(folder / JOB)


def read_summary(folder: Path) -> dict[str, Any] | None:
    """summary.json; None if the run has not ended. UsageError if the folder is not that of a run."""
    read_job(folder)
    path = Path(folder) / SUMMARY
    if not path.exists():
        return None
    try:
        summary = json.loads(_text(path))
    except ValueError as error:
        raise UsageError(f"{path} is damaged: {error}") from error
    if not isinstance(summary, dict):
        raise UsageError(f"{path} is damaged: it is not an object")
    return summary


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, none if nothing was measured; a last line that is torn is left out.

    UsageError if the folder is not that of a run, or another line is damaged.
    """
    read_job(folder)
    path = Path(folder) / METRICS
    lines = _text(path).splitlines() if path.exists() else []
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        row = _row(line)
        if row is not None:
            rows.append(row)
        elif number < len(lines):
            raise UsageError(f"{path}: line {number} is damaged: {line[:80]!r}")
    return rows


def rows_until(path: Path, iteration: int, last: dict[str, Any]) -> str:
    """The lines of a metrics file up to an iteration, without damaged ones, and with the last one if it is missing."""
    lines = _text(path).splitlines() if path.exists() else []
    good = [(line, row) for line in lines if (row := _row(line)) is not None and not _later(row, iteration)]
    if last and all(row.get("iteration") != last["iteration"] for _, row in good):
        good.append((json.dumps(plain(last), allow_nan=False), last))
    return "".join(f"{line}\n" for line, _ in good)


def _later(row: dict[str, Any], iteration: int) -> bool:
    mark = row.get("iteration")
    return isinstance(mark, int | float) and mark > iteration


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
