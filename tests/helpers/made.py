"""Small jobs, and folders of runs that were never made."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hpcadmm.experiments.folder import Folder
from hpcadmm.experiments.plan import Planned, resolved
from hpcadmm.job.job import Job

LEAST = """
[data]
name = "digits"
[loss]
name = "hinge"
[solver]
name = "taylor"
"""
TAYLOR = """
name = "{name}"
[data]
name = "digits"
first = 300
first_test = 100
[network]
hidden = [12]
[loss]
name = "hinge"
[solver]
name = "taylor"
[stop]
iterations = 6
[evaluate]
every = 2
"""
DLADMM = TAYLOR.replace('"hinge"', '"cross-entropy"').replace('"taylor"', '"dladmm"')
GADMM = TAYLOR.replace("[12]", "[]").replace('"hinge"', '"squared"').replace('"taylor"', '"gadmm"\nworkers = 4')


def write(folder: Path, text: str = TAYLOR, name: str = "small", file: str | None = None) -> Path:
    """A job file."""
    path = folder / f"{file or name}.toml"
    path.write_text(text.format(name=name))
    return path


def job(text: str = TAYLOR, name: str = "small", seed: int = 0) -> Job:
    found = resolved(text.format(name=name), [], Path("made.toml"))
    return replace(found, head=replace(found.head, seed=seed))


def planned(label: str = "small", k: int = 0, text: str = TAYLOR) -> Planned:
    return Planned(f"{label}-{k}", label, job(text, label, k))


def row(iteration: int, accuracy: float | None, seconds: float, messages: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "iteration": iteration,
        "seconds": seconds,
        "bytes": 100 * messages,
        "messages": messages,
        "objective": 1.0 / iteration,
        "test_accuracy": accuracy,
        **more,
    }


def run(path: Path, one: Planned, rows: Sequence[dict[str, Any]], state: str = "finished", **summary: Any) -> None:
    """The folder of a run that has ended so."""
    there = Folder(path).run(one.name)
    there.mkdir(parents=True)
    (there / "job.toml").write_text(one.text)
    (there / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    facts = {"state": state, "stop_reason": f"{len(rows)} rows", "iterations": rows[-1]["iteration"], "ranks": 2}
    (there / "summary.json").write_text(json.dumps(facts | summary))


def sessions(path: Path, one: Planned, *found: dict[str, Any]) -> None:
    """The record of its processes."""
    file = Folder(path).record(one.name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([{"load_before": 0.5, "load_after": 1.0, "code": 0, "signal": None} | s for s in found]))
