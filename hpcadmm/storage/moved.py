"""Where the data of a run lie now: its folder may have been moved together with them."""

import json
import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from hpcadmm.storage.readers import ENVIRONMENT, JOB

PLACES = ("path", "train", "test")  # keys of [data] that name files


def run_of(path: Path) -> Path | None:
    """The run folder that `path` is or lies in: a run, its checkpoints, or one of them."""
    here = Path(os.path.abspath(path))
    return next((folder for folder in (here, *here.parents[:3]) if (folder / JOB).is_file()), None)


def current(data: dict[str, Any], run: Path) -> dict[str, Any]:
    """The table [data] of a checkpoint with the places that the run's job.toml gives now, relocated."""
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
    """The table with absolute places that are gone replaced by those as far from the run folder as they once were."""
    before = list(folders(run))

    def found(value: Any) -> Any:
        if not isinstance(value, str) or not os.path.isabs(value) or os.path.exists(value):
            return value
        there = (os.path.normpath(os.path.join(os.path.abspath(run), os.path.relpath(value, old))) for old in before)
        return next((place for place in there if os.path.exists(place)), value)

    return {key: found(value) if key in PLACES else value for key, value in data.items()}


def folders(run: Path) -> Iterator[str]:
    """Where the run folder was at each of its starts, the newest first."""
    try:
        newest = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))
        starts = [newest, *newest.get("earlier", [])[::-1]]
    except (OSError, ValueError, AttributeError, TypeError):
        return
    for start in starts:
        if isinstance(start, dict) and isinstance(start.get("folder"), str):
            yield start["folder"]


def placed(text: str, run: Path, overrides: Sequence[str]) -> str:
    """The text of a run's job.toml with the places of its data as they are now; as it is if it is not TOML.

    With an override of data.path, train and test files that are gone are sought there, by their names.
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
