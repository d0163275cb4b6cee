"""The folder of an experiment: its plan, its runs and their records.

plan.json jobs/<run>.toml runs/<run>/ children/<run>.json children/<run>.txt samples/
table.csv summary.csv summary.md figure.png
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.experiments.plan import Planned, difference
from hpcadmm.storage.durable import spoken, write_text
from hpcadmm.storage.lock import LOCK, OWNER, Lock

PLAN = "plan.json"
LATER = {"metric": None, "target": None}  # facts that folders of version 0.1.0 do not have
CURE = "ask for the same, or choose another --out"


@dataclass(frozen=True)
class Folder:
    """Paths below `path`."""

    path: Path

    def job(self, name: str) -> Path:
        """The job file of a run."""
        return self.path / "jobs" / f"{name}.toml"

    def run(self, name: str) -> Path:
        """The run folder."""
        return self.path / "runs" / name

    @property
    def samples(self) -> Path:
        """The samples of the job that a program ran last, as numpy files."""
        return self.path / "samples"

    def record(self, name: str) -> Path:
        """The sessions of a run: command, times, exit code, load of the machine."""
        return self.path / "children" / f"{name}.json"

    def said(self, name: str) -> Path:
        """What the processes of a run printed."""
        return self.path / "children" / f"{name}.txt"

    def records(self, name: str) -> list[dict[str, Any]]:
        """The sessions of a run, the first first; none if it was not started, or the file is damaged."""
        try:
            sessions = json.loads(self.record(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return sessions if isinstance(sessions, list) else []


def default(kind: str) -> Path:
    """A new folder name: results/<kind>/<UTC time>."""
    stem = Path("results", kind, time.strftime("%Y%m%dT%H%M%S", time.gmtime()))
    found, k = stem, 1
    while found.exists():
        k += 1
        found = stem.with_name(f"{stem.name}-{k}")
    return found


def claim(path: Path, facts: dict[str, Any], plan: Sequence[Planned]) -> Lock:
    """Make the folder, or take the folder of an earlier call with the same plan, and lock it.

    facts: what both calls must agree on. The later call may ask for more runs of the same jobs, and for more `jobs`.
    Raises UsageError if the folder holds other things or other jobs.
    """
    with spoken(f"make the folder {path}"):
        path.mkdir(parents=True, exist_ok=True)
        refuse_strange(path)
        lock = Lock(path)
        try:
            furnish(Folder(path), facts, plan)
        except BaseException:
            lock.close()
            raise
    return lock


def furnish(folder: Folder, facts: dict[str, Any], plan: Sequence[Planned]) -> None:
    """Write plan and jobs. Raises UsageError if the folder has others."""
    path = folder.path
    facts = json.loads(json.dumps(facts))
    if (path / PLAN).exists():
        refuse_others(folder, facts, plan)
    write_text(path / PLAN, json.dumps(facts, indent=2) + "\n")
    for part in ("jobs", "runs", "children"):
        (path / part).mkdir(exist_ok=True)
    for one in plan:
        if not one.fault and not folder.job(one.name).exists():
            write_text(folder.job(one.name), one.text)


def refuse_strange(path: Path) -> None:
    """Raise UsageError if there are files, but no plan."""
    others = sorted(set(os.listdir(path)) - {LOCK, OWNER, f"{PLAN}.partial"})
    if others and PLAN not in others:
        raise UsageError(
            f"{path} is not empty (it holds {others[0]}) and was not created by this command: choose another"
        )


def refuse_others(folder: Folder, facts: dict[str, Any], plan: Sequence[Planned]) -> None:
    """Raise UsageError if the folder's plan or jobs differ from these."""
    there = read_plan(folder.path / PLAN)
    for key in [*there, *(key for key in facts if key not in {**there, **LATER})]:
        then, now = there.get(key, "unset"), facts.get(key, "unset")
        if then != now and not (key == "jobs" and "unset" not in (then, now) and set(then) < set(now)):
            raise UsageError(f"{folder.path}: {key} is {then} there and {now} here; {CURE}")
    more = sorted({path.stem for path in (folder.path / "jobs").glob("*.toml")} - {one.name for one in plan})
    if more:
        raise UsageError(f"{folder.path}: it holds {len(more)} runs more than are asked for, as {more[0]}; {CURE}")
    for one in plan:
        file = folder.job(one.name)
        old = file.read_text(encoding="utf-8") if file.exists() and not one.fault else one.text
        if differs := difference(old, one.text):
            raise UsageError(f"{folder.path}: {one.name}: {differs}; {CURE}")


def read_plan(file: Path) -> dict[str, Any]:
    """The facts in plan.json. Raises UsageError if it is damaged."""
    try:
        there = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{file} is damaged: {error}") from None
    if not isinstance(there, dict):
        raise UsageError(f"{file} is damaged: it is not an object")
    return there
