"""What became of a run under Slurm: from its folder, what lies beside it, and Slurm where it can be asked."""

import json
import re
from pathlib import Path
from typing import Any

from hpcadmm.after.show import number, row_or_fault, score
from hpcadmm.after.words import printable
from hpcadmm.errors import UsageError
from hpcadmm.slurm.submit import ask
from hpcadmm.slurm.turn import reached, records
from hpcadmm.storage.durable import write_text
from hpcadmm.storage.readers import JOB, read_metrics

TAIL = 8  # lines of the output
BYTES = 1 << 16  # at most, of its end
FIELDS = {"JobState": "state", "Reason": "reason", "RunTime": "time", "TimeLimit": "limit", "NodeList": "nodes"}
FIELDS |= {"Restarts": "restarts", "StartTime": "start"}
ACCOUNTED = ("State", "Elapsed", "Timelimit", "NodeList", "Restarts")


def note(run: Path, job: str) -> str:
    """Keep the id under which a run, or an array of them, was submitted; returns what was in the way, else ""."""
    try:
        write_text(_noted(run), json.dumps({"job": job}) + "\n")
    except OSError as error:
        return f"cannot write {_noted(run)}: {error.strerror or error}"
    return ""


def status(run: Path) -> list[dict[str, Any]]:
    """What is known of the run, or of each run <run>-<task> of an array. Raises UsageError if there is none of them."""
    if (run / JOB).is_file() or records(run):
        return [one(run, submitted(run))]
    tasks = array(run)
    if not tasks and submitted(run) is None:
        raise UsageError(f"{run}: there is no such run, and no job was submitted for it")
    job = submitted(run)
    return [one(run.with_name(f"{run.name}-{k}"), job and f"{job}_{k}") for k in tasks] or [one(run, job)]


def array(run: Path) -> list[int]:
    """The tasks of an array that have begun."""
    task = re.compile(re.escape(run.name) + r"-(\d+)(\.out|\.starts\.json)?")
    there = run.absolute().parent.glob("*")
    return sorted({int(found[1]) for path in there if (found := task.fullmatch(path.name))})


def one(run: Path, job: str | None) -> dict[str, Any]:
    """How far a run came; `job` is the id under which it was submitted, if that is known."""
    starts = [start for start in records(run) if isinstance(start, dict)]
    last = str(starts[-1].get("job") or "") if starts else ""
    if last.isdigit() and (job is None or (job.isdigit() and int(last) > int(job))):
        job = last
    begun = (run / JOB).is_file()
    shown = row_or_fault(run) if begun else {"state": "not begun"}
    rows = read_metrics(run) if begun else []
    out = run.with_name(f"{run.name}.out")
    return {
        "run": str(run),
        "job": job,
        "slurm": asked(job) if job else {},
        "starts": len(starts),
        "state": shown["state"],
        "why": shown.get("error") or shown.get("stop_reason"),
        "iterations": max(shown.get("iterations") or 0, reached(run)),
        "last": rows[-1] if rows else None,
        "checkpoint": reached(run) or None,
        "output": str(out) if out.is_file() else None,
        "tail": tail(out),
    }


def asked(job: str) -> dict[str, str]:
    """What Slurm says of a job: its controller if that still knows it, else the accounting; empty without either."""
    try:
        said = ask(["scontrol", "-o", "show", "job", job]).split("\n")[0]
        found: dict[str, str] = {}
        for key, value in re.findall(r"(\w+)=(\S*)", said):
            found.setdefault(key, value)
        return {name: found[key] for key, name in FIELDS.items() if key in found}
    except UsageError:
        pass
    try:
        said = ask(["sacct", "-j", job, "-X", "-n", "-P", "-o", ",".join(ACCOUNTED)]).split("\n")[0]
    except UsageError:
        return {}
    names = ("state", "time", "limit", "nodes", "restarts")
    return dict(zip(names, said.split("|"), strict=False)) if said else {}


def submitted(run: Path) -> str | None:
    """The id that `note` kept; None without one."""
    try:
        job = json.loads(_noted(run).read_text(encoding="utf-8"))["job"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return job if isinstance(job, str) and job.isdigit() else None


def tail(out: Path) -> list[str]:
    """The last lines of a file, without control characters; none if it cannot be read."""
    try:
        with open(out, "rb") as file:
            file.seek(max(0, out.stat().st_size - BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [printable(line) for line in text.splitlines()[-TAIL:]]


def shown(facts: dict[str, Any]) -> str:
    """The facts of a run for people."""
    slurm = facts["slurm"]
    said = slurm.get("state", "unknown to Slurm")
    if slurm.get("reason", "None") not in ("None", ""):
        said += f" ({slurm['reason']})"
    said += "".join(
        f", {word} {slurm[key]}" for key, word in PARTS.items() if slurm.get(key) not in (None, "", "(null)")
    )
    lines = [
        ("run", facts["run"]),
        ("job", f"{facts['job']}: {said}" if facts["job"] else "none known"),
        ("state", facts["state"] + (f": {facts['why']}" if facts["why"] else "")),
        ("starts", str(facts["starts"])),
        ("iterations", str(facts["iterations"])),
        ("last row", measured(facts["last"]) if facts["last"] else "none"),
        ("checkpoint", "none" if facts["checkpoint"] is None else f"iteration {facts['checkpoint']}"),
        ("output", facts["output"] or "none"),
    ]
    return "\n".join([*(f"{name:11}{text}" for name, text in lines), *(f"  {line}" for line in facts["tail"])])


PARTS = {"time": "ran", "limit": "of", "nodes": "on", "restarts": "restarts"}


def measured(row: dict[str, Any]) -> str:
    """A row of metrics in a few words.

    >>> measured({"iteration": 5, "seconds": 0.25, "objective": 12.5, "test_accuracy": 0.95})
    'iteration 5, 0.25 s, objective 12.5, test 95.00 %'
    """
    words = [f"iteration {row.get('iteration')}", f"{number(row.get('seconds'), '.2f')} s"]
    words += [f"objective {number(row['objective'], '.6g')}"] if row.get("objective") is not None else []
    words += [f"{part} {said}" for part in ("train", "test") if (said := score(row, part))]
    return ", ".join(words)


def _noted(run: Path) -> Path:
    return run.with_name(f"{run.name}.job.json")
