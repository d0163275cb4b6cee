"""The status of a run under Slurm: from its folder, the files next to it, and Slurm if it answers."""

import json
import re
from pathlib import Path
from typing import Any

from hpcadmm.after.show import number, row_or_fault, score
from hpcadmm.errors import UsageError, nearby, printable
from hpcadmm.slurm.submit import ask
from hpcadmm.slurm.turn import reached, records
from hpcadmm.storage.durable import write_text
from hpcadmm.storage.readers import JOB, read_metrics

TAIL = 8  # lines of output
BYTES = 1 << 16  # how much of the end of the output is read at most
FIELDS = {"JobState": "state", "Reason": "reason", "RunTime": "time", "TimeLimit": "limit", "NodeList": "nodes"}
FIELDS |= {"Restarts": "restarts", "StartTime": "start"}
ACCOUNTED = {"State": "state", "Elapsed": "time", "Timelimit": "limit", "NodeList": "nodes", "Restarts": "restarts"}
PARTS = {"time": "ran", "limit": "of", "nodes": "on", "restarts": "restarts"}
UNSET = (None, "", "None", "(null)")


def note(run: Path, job: str) -> str:
    """Keep the job id of a run or of an array of runs. Returns why that failed, or ""."""
    try:
        write_text(id_file(run), json.dumps({"job": job}) + "\n")
    except OSError as error:
        return f"cannot write {id_file(run)}: {error.strerror or error}"
    return ""


def status(run: Path) -> list[dict[str, Any]]:
    """The status of the run, or of each run <run>-<task> of an array. Raises UsageError if there is none."""
    job = submitted(run)
    if (run / JOB).is_file() or records(run):
        return [one(run, job)]
    tasks = array(run)
    if not tasks and job is None:
        raise UsageError(f"{run}: no such run, and no job was submitted for it{nearby(run)}")
    return [one(run.with_name(f"{run.name}-{k}"), job and f"{job}_{k}") for k in tasks] or [one(run, job)]


def array(run: Path) -> list[int]:
    """The tasks of an array that have started."""
    task = re.compile(re.escape(run.name) + r"-(\d+)(\.out|\.starts\.json)?")
    there = run.absolute().parent.glob("*")
    return sorted({int(found[1]) for path in there if (found := task.fullmatch(path.name))})


def one(run: Path, job: str | None) -> dict[str, Any]:
    """The status of one run. job: the id under which it was submitted, if known."""
    starts = records(run)
    last = str(starts[-1].get("job") or "") if starts else ""
    if last.isdigit() and (job is None or (job.isdigit() and int(last) > int(job))):
        job = last
    begun = (run / JOB).is_file()
    found = row_or_fault(run) if begun else {"state": "not begun"}
    rows = read_metrics(run) if begun else []
    out = run.with_name(f"{run.name}.out")
    return {
        "run": str(run),
        "job": job,
        "slurm": asked(job) if job else {},
        "starts": len(starts),
        "state": found["state"],
        "why": found.get("error") or found.get("stop_reason"),
        "iterations": max(found.get("iterations") or 0, reached(run)),
        "last": rows[-1] if rows else None,
        "checkpoint": reached(run) or None,
        "output": str(out) if out.is_file() else None,
        "tail": tail(out),
    }


def asked(job: str) -> dict[str, str]:
    """Slurm's facts about a job: from its controller, else from the accounting; empty if neither knows the job."""
    try:
        line = ask(["scontrol", "-o", "show", "job", job]).split("\n")[0]
        found = dict(reversed(re.findall(r"(\w+)=(\S*)", line)))  # the first of equal keys counts
        return {name: found[key] for key, name in FIELDS.items() if key in found}
    except UsageError:
        pass
    try:
        line = ask(["sacct", "-j", job, "-X", "-n", "-P", "-o", ",".join(ACCOUNTED)]).split("\n")[0]
    except UsageError:
        return {}
    return dict(zip(ACCOUNTED.values(), line.split("|"), strict=False)) if line else {}


def submitted(run: Path) -> str | None:
    """The job id that `note` kept, if any."""
    try:
        job = json.loads(id_file(run).read_text(encoding="utf-8"))["job"]
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
    """The status of one run as text."""
    lines = {
        "run": facts["run"],
        "job": f"{facts['job']}: {in_words(facts['slurm'])}" if facts["job"] else "unknown",
        "state": facts["state"] + (f": {facts['why']}" if facts["why"] else ""),
        "starts": facts["starts"],
        "iterations": facts["iterations"],
        "last row": measured(facts["last"]) if facts["last"] else "none",
        "checkpoint": "none" if facts["checkpoint"] is None else f"iteration {facts['checkpoint']}",
        "output": facts["output"] or "none",
    }
    return "\n".join([*(f"{name:11}{text}" for name, text in lines.items()), *(f"  {line}" for line in facts["tail"])])


def in_words(slurm: dict[str, str]) -> str:
    """Slurm's facts about a job.

    >>> in_words({"state": "PENDING", "reason": "Priority", "time": "00:01", "nodes": "(null)"})
    'PENDING (Priority), ran 00:01'
    """
    reason = f" ({slurm['reason']})" if slurm.get("reason") not in UNSET else ""
    parts = [f"{word} {slurm[key]}" for key, word in PARTS.items() if slurm.get(key) not in UNSET]
    return ", ".join([slurm.get("state", "unknown to Slurm") + reason, *parts])


def measured(row: dict[str, Any]) -> str:
    """A row of metrics in a few words.

    >>> measured({"iteration": 5, "seconds": 0.25, "objective": 12.5, "test_accuracy": 0.95})
    'iteration 5, 0.25 s, objective 12.5, test 95.00 %'
    """
    words = [f"iteration {row.get('iteration')}", f"{number(row.get('seconds'), '.2f')} s"]
    words += [f"objective {number(row['objective'], '.6g')}"] if row.get("objective") is not None else []
    words += [f"{part} {value}" for part in ("train", "test") if (value := score(row, part))]
    return ", ".join(words)


def id_file(run: Path) -> Path:
    """The file that `note` writes."""
    return run.with_name(f"{run.name}.job.json")
