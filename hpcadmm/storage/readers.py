"""What a run folder contains, for one process (show, plot, evaluate), and where its data are now."""

import json
import math
import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from hpcadmm.errors import UsageError, nearby

JOB, ENVIRONMENT, METRICS, LOG, SUMMARY = "job.toml", "environment.json", "metrics.jsonl", "log.txt", "summary.json"
PATH, COEFFICIENTS = "path.csv", "path-coefficients.csv"  # of a run with solver.path
ORIGIN = "origin.json"  # of a run that began from another one: which, and how its data are scaled
PLACES = ("path", "train", "test")  # keys of [data] that name files


def plain(value: Any) -> Any:
    """Numbers, lists and dicts for JSON; NaN and infinity become None.

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
    """The scaling of the features, in one word, from the table [data] of a resolved job.

    >>> scaling_of({"standardise": True, "scale": "none"}), scaling_of({"standardise": False, "scale": "unit"})
    ('standard', 'unit')
    """
    return "standard" if data.get("standardise") is True else str(data.get("scale"))


def read_job(folder: Path) -> str:
    """The text of job.toml. Raises UsageError if the folder is not a run folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"there is no run folder {folder}{nearby(folder)}")
    if not (folder / JOB).is_file():
        raise UsageError(f"{folder} is not a run folder: it has no {JOB}")
    return _text(folder / JOB)


def read_summary(folder: Path) -> dict[str, Any] | None:
    """summary.json; None if the run has not ended. Raises UsageError if the folder is not a run folder."""
    read_job(folder)
    path = Path(folder) / SUMMARY
    if not path.exists():
        return None
    summary = _object(_text(path))
    if summary is None:
        raise UsageError(f"{path} is damaged: it is not a JSON object")
    return summary


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, without an incomplete last line; none if nothing was measured.

    Raises UsageError if the folder is not a run folder or another line is damaged.
    """
    read_job(folder)
    path = Path(folder) / METRICS
    lines = _text(path).splitlines() if path.exists() else []
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        row = _object(line)
        if row is not None:
            rows.append(row)
        elif number < len(lines):
            raise UsageError(f"{path}: line {number} is damaged: {line[:80]!r}")
    return rows


def read_environment(folder: Path) -> dict[str, Any]:
    """environment.json; empty if it cannot be read."""
    try:
        return _object((Path(folder) / ENVIRONMENT).read_text(encoding="utf-8")) or {}
    except (OSError, ValueError):
        return {}


def rows_until(path: Path, iteration: int, last: dict[str, Any]) -> str:
    """The undamaged lines of a metrics file up to an iteration, with the `last` row added if it is missing."""

    def later(row: dict[str, Any]) -> bool:
        mark = row.get("iteration")
        return isinstance(mark, int | float) and mark > iteration

    lines = _text(path).splitlines() if path.exists() else []
    good = [(line, row) for line in lines if (row := _object(line)) is not None and not later(row)]
    if last and all(row.get("iteration") != last["iteration"] for _, row in good):
        good.append((json.dumps(plain(last), allow_nan=False), last))
    return "".join(f"{line}\n" for line, _ in good)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


def run_of(path: Path) -> Path | None:
    """The run folder that `path` is or lies in: a run, its checkpoints, or one of them."""
    here = Path(os.path.abspath(path))
    return next((folder for folder in (here, *here.parents[:3]) if (folder / JOB).is_file()), None)


def current(data: dict[str, Any], run: Path) -> dict[str, Any]:
    """The table [data] of a checkpoint with the present paths of the run's job.toml, relocated."""
    folder = run_of(run)
    if folder is None:
        return data
    try:
        own = tomllib.loads((folder / JOB).read_text(encoding="utf-8"))["data"]
        known = {key: own[key] for key in PLACES if key in own} if own["name"] == data.get("name") else {}
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    return relocated({**data, **known}, folder)


def relocated(data: dict[str, Any], run: Path) -> dict[str, Any]:
    """The table [data] of a run that was moved together with its data: an absolute path that no longer exists is
    replaced by the one that lies in the same direction from the run folder."""
    before = list(former_folders(run))

    def found(value: Any) -> Any:
        if not isinstance(value, str) or not os.path.isabs(value) or os.path.exists(value):
            return value
        there = (os.path.normpath(os.path.join(os.path.abspath(run), os.path.relpath(value, old))) for old in before)
        return next((place for place in there if os.path.exists(place)), value)

    return {key: found(value) if key in PLACES else value for key, value in data.items()}


def former_folders(run: Path) -> Iterator[str]:
    """The run folder's path at each start, the newest first."""
    try:
        newest = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))
        starts = [newest, *newest.get("earlier", [])[::-1]]
    except (OSError, ValueError, AttributeError, TypeError):
        return
    for start in starts:
        if isinstance(start, dict) and isinstance(start.get("folder"), str):
            yield start["folder"]


def placed(text: str, run: Path, overrides: Sequence[str]) -> str:
    """A run's job.toml with the present paths of its data; unchanged if it is not TOML.

    If data.path is overridden, train and test files that no longer exist are sought there by name.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text
    if not isinstance(tables.get("data"), dict):
        return text
    data = tables["data"] = relocated(tables["data"], run)
    if "data.path" in [override.partition("=")[0].strip() for override in overrides]:
        for key in ("train", "test"):
            if isinstance(data.get(key), str) and os.path.isabs(data[key]) and not os.path.exists(data[key]):
                data[key] = os.path.basename(data[key])
    return tomli_w.dumps(tables)
