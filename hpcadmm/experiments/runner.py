"""One run at a time, each by processes of its own; what is finished is not repeated, what was begun goes on."""

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence

from hpcadmm.after.show import row
from hpcadmm.errors import Interrupted, UsageError
from hpcadmm.experiments.folder import Folder
from hpcadmm.experiments.launcher import Launcher, Relay
from hpcadmm.experiments.plan import Planned
from hpcadmm.storage.durable import write_text
from hpcadmm.storage.folders import newest
from hpcadmm.storage.holder import holder
from hpcadmm.storage.readers import JOB

Say = Callable[[str], None]
SETTLED = ("finished", "diverged")  # running such a one again would give the same
MOST = 300  # characters of a message


def run_all(folder: Folder, plan: Sequence[Planned], launcher: Launcher, say: Say) -> None:
    """Run what is not settled yet, in the order of the plan. A failure is recorded, and the others go on.

    Raises Interrupted after a signal, when the run at work has saved and ended.
    """
    with Relay() as relay:
        for number, one in enumerate(plan, 1):
            if relay.raised:
                raise Interrupted(f"{relay.raised}: the same command goes on where it was: {folder.path}")
            if one.fault:
                say(f"{number} of {len(plan)}: {one.name}: unfit: {one.fault}")
            if one.fault or state(folder, one) in SETTLED:
                continue
            begin = time.perf_counter()
            run(folder, one, launcher, relay)
            seconds = time.perf_counter() - begin
            message = failure(folder, one)
            said = f": {message}" if message else ""
            say(f"{number} of {len(plan)}: {one.name}: {state(folder, one)} after {seconds:.1f} s{said}")
    if relay.raised:
        raise Interrupted(f"{relay.raised}: the same command goes on where it was: {folder.path}")


def state(folder: Folder, one: Planned) -> str:
    """finished, diverged, interrupted, killed, running or damaged, as the run folder has it; "failed" if its processes
    ended with an error of their own; "absent" if there were none."""
    there, sessions = folder.run(one.name), folder.records(one.name)
    last = sessions[-1] if sessions else {}
    found = "absent"
    if (there / JOB).is_file():
        try:
            found = str(row(there)["state"])
        except UsageError:
            return "damaged"
    if found in ("absent", "killed") and last:
        return "interrupted" if last.get("signal") else "failed" if last.get("code", -1) >= 0 else "killed"
    return found


def failure(folder: Folder, one: Planned) -> str:
    """What a run that did not end well has said; "" of one that did."""
    if state(folder, one) == "finished":
        return ""
    sessions = folder.records(one.name)
    return str(sessions[-1].get("message") or "") if sessions else ""


def run(folder: Folder, one: Planned, launcher: Launcher, relay: Relay) -> None:
    """Start or resume a run, wait for it, and keep a record of the session."""
    arguments = deed(folder, one)
    sessions, load = folder.records(one.name), os.getloadavg()[0]
    started, begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.perf_counter()
    code = relay.run(launcher.command(*arguments, "--quiet"), launcher.environment, folder.said(one.name))
    said = folder.said(one.name).read_text(encoding="utf-8", errors="replace")
    session = {
        "command": launcher.shown(*arguments),
        "started": started,
        "wall_seconds": time.perf_counter() - begin,
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "code": code,
        "signal": relay.raised,
        "message": message(said) or (f"exit code {code}" if code else ""),
    }
    write_text(folder.record(one.name), json.dumps([*sessions, session], indent=2) + "\n")


def deed(folder: Folder, one: Planned) -> list[object]:
    """The arguments: resume if there is a checkpoint, else train, after what a dead run left was removed."""
    there = folder.run(one.name)
    if (there / JOB).is_file() and (newest(there / "checkpoints") or holder(there)):
        return ["resume", there]
    if there.exists() and not holder(there):
        shutil.rmtree(there)
    return ["train", folder.job(one.name), "--out", there]


def message(text: str) -> str:
    """The last error in what was printed, in one line; without one the last line that says something.

    >>> message("a warning\\nError: the job file:\\n  solver.gamma = -1: must be greater than 0\\n")
    'the job file: solver.gamma = -1: must be greater than 0'
    >>> message("Traceback\\nValueError: no\\n\\n======\\n= BAD TERMINATION\\n")
    'ValueError: no'
    """
    lines = [line.strip() for line in text.split("\n======")[0].splitlines() if line.strip()]
    errors = [k for k, line in enumerate(lines) if line.startswith("Error: ")]
    said = " ".join(lines[errors[-1] :]).removeprefix("Error: ") if errors else "".join(lines[-1:])
    return said if len(said) <= MOST else said[: MOST - 4] + " ..."
