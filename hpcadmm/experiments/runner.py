"""One run at a time, each in processes of its own; finished runs are not repeated, started ones are resumed."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from hpcadmm.after.show import row
from hpcadmm.errors import Interrupted, UsageError
from hpcadmm.experiments.folder import Folder, claim
from hpcadmm.experiments.launcher import Launcher, Relay, usable_cores
from hpcadmm.experiments.plan import Planned
from hpcadmm.experiments.rival import begun
from hpcadmm.job.program import Program
from hpcadmm.storage.durable import write_text
from hpcadmm.storage.folders import newest
from hpcadmm.storage.lock import holder
from hpcadmm.storage.readers import JOB, SUMMARY

Say = Callable[[str], None]
SETTLED = ("finished", "diverged")  # running such a run again would give the same
MOST = 300  # characters of a message


def carry_out(
    folder: Folder, facts: dict[str, Any], plan: Sequence[Planned], start: Launcher, report: Callable[[], int], say: Say
) -> int:
    """Take the folder, run what is missing, and return what `report` returns; after a signal report too.

    Raises UsageError for a folder of other jobs, Interrupted after a signal.
    """
    lock = claim(folder.path, facts, plan)
    try:
        if start.ranks > usable_cores():
            say(f"note: {start.ranks} ranks on {usable_cores()} cores: do not compare the seconds")
        try:
            run_all(folder, plan, start, say)
        except Interrupted:
            report()
            raise
        return report()
    finally:
        lock.close()


def run_all(folder: Folder, plan: Sequence[Planned], launcher: Launcher, say: Say) -> None:
    """Run what is not settled yet, in the order of the plan. A failure is recorded, and the next run starts.

    Raises Interrupted after a signal, once the current run has saved and ended.
    """
    with Relay() as relay:
        for number, one in enumerate(plan, 1):
            place = f"{number} of {len(plan)}: {one.name}"
            if relay.raised:
                break
            if one.fault:
                say(f"{place}: unfit: {one.fault}")
            elif state(folder, one) not in SETTLED:
                seconds = run(folder, one, launcher, relay)
                message = failure(folder, one)
                say(f"{place}: {state(folder, one)} after {seconds:.1f} s" + (f": {message}" if message else ""))
    if relay.raised:
        raise Interrupted(f"{relay.raised}: the same command continues: {folder.path}")


def state(folder: Folder, one: Planned) -> str:
    """The state of a run: finished, diverged, interrupted, killed, running or damaged, as in its folder; "failed" if
    its processes ended with an error; "absent" if it was never started."""
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
    """The message of a run that did not finish; "" of one that did."""
    if state(folder, one) == "finished":
        return ""
    sessions = folder.records(one.name)
    return str(sessions[-1].get("message") or "") if sessions else ""


def run(folder: Folder, one: Planned, launcher: Launcher, relay: Relay) -> float:
    """Start or resume a run, wait for it, and record the session; returns its seconds."""
    sessions = folder.records(one.name)
    try:
        code, session = relay.session(*how(folder, one, launcher), folder.said(one.name))
    except UsageError as error:
        if not isinstance(one.job.solver, Program):
            raise
        code, session = 2, {"wall_seconds": 0.0}
        write_text(folder.said(one.name), f"Error: {error}\n")
    said = folder.said(one.name).read_text(encoding="utf-8", errors="replace")
    silent = "" if (folder.run(one.name) / SUMMARY).exists() else f"it ended without {SUMMARY}"
    session |= {
        "cores": os.cpu_count(),
        "code": code,
        "signal": relay.raised,
        "message": message(said) or (f"exit code {code}" if code else silent),
    }
    write_text(folder.record(one.name), json.dumps([*sessions, session], indent=2) + "\n")
    return float(session["wall_seconds"])


def how(folder: Folder, one: Planned, launcher: Launcher) -> tuple[Launcher, list[object]]:
    """The launcher and the arguments that start or resume a run. Raises UsageError if a program cannot be started."""
    if isinstance(one.job.solver, Program):
        return begun(folder, one, one.job.solver, launcher)
    return launcher, [*arguments_of(folder, one), "--quiet"]


def arguments_of(folder: Folder, one: Planned) -> list[object]:
    """The arguments of hpcadmm: resume if there is a checkpoint, otherwise train, after the remains of a dead run were
    removed."""
    there = folder.run(one.name)
    if (there / JOB).is_file() and (newest(there / "checkpoints") or holder(there)):
        return ["resume", there]
    if there.exists() and not holder(there):
        shutil.rmtree(there)
    return ["train", folder.job(one.name), "--out", there]


def message(text: str) -> str:
    """The last error in the output, in one line; without an error the last line that is not empty.

    >>> message("a warning\\nError: the job file:\\n  solver.gamma = -1: must be greater than 0\\n")
    'the job file: solver.gamma = -1: must be greater than 0'
    >>> message("Traceback\\nValueError: no\\n\\n======\\n= BAD TERMINATION\\n")
    'ValueError: no'
    """
    lines = [line.strip() for line in text.split("\n======")[0].splitlines() if line.strip()]
    errors = [k for k, line in enumerate(lines) if line.startswith("Error: ")]
    said = " ".join(lines[errors[-1] :]).removeprefix("Error: ") if errors else "".join(lines[-1:])
    return said if len(said) <= MOST else said[: MOST - 4] + " ..."
