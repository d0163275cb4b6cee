"""`make chaos`: kills small runs at random moments and resumes them, until each has ended as if nobody had.

A session trains one job: `hpcadmm train`, then `hpcadmm resume` on 1 to 4 ranks after every kill, until it ends well.
Each start is killed (kill -9 of one rank, of all ranks, of the launcher) at a moment that is uniform over a run of its
length, its start and its end included; the last start of a session is let be. Several sessions run at once. Its
weights must have the hash of an uninterrupted run. Writes a table and results.json.

Counted as lost: a run whose checkpoint was there and that cannot be resumed, or that goes on from an older one than
was committed. Not lost, but counted apart: a kill before the first checkpoint, after which the run starts again.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SOLVERS = ("taylor", "pdadmm", "mpadmm", "qgadmm", "adam", "lbfgs")
SMALL = ("data.first=999", "stop.iterations=240", "evaluate.every=8", "save.every=3", "save.keep=2")
KINDS = ("rank", "ranks", "launcher")
MOST = 25  # kills of a session: then it is let be
HUNG = 240  # seconds


@dataclass
class Found:
    """What all sessions of a solver have found."""

    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 10.0  # of a start that nobody kills, learned
    missed: int = 0  # it had ended before the kill
    early: int = 0  # killed before the first checkpoint
    sessions: int = 0
    hashes: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)  # files and processes


def processes(mark: str) -> list[tuple[int, str]]:
    """Pid and command line of every process that has `mark` in its environment."""
    there = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (entry / "environ").read_bytes():  # that of a zombie is empty
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                there.append((int(entry.name), words))
    return there


def kill(pids: list[int]) -> None:
    """kill -9 of those that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait(launched: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The exit code; None if it is still at work."""
    with suppress(subprocess.TimeoutExpired):
        return launched.wait(seconds)
    return None


def committed(run: Path) -> int:
    """The iteration of the newest committed checkpoint; -1 if there is none."""
    folder = run / "checkpoints"
    names = (
        [re.fullmatch(r"iteration-(\d+)(\.old)?", entry.name) for entry in folder.glob("*")] if folder.is_dir() else []
    )
    return max((int(name[1]) for name in names if name), default=-1)


class Session(threading.Thread):
    """Runs of one solver after another, each killed until it is let be; ends when the time is over."""

    def __init__(self, number: int, args: argparse.Namespace, found: dict[str, Found], until: float) -> None:
        super().__init__()
        self.number, self.args, self.found, self.until = number, args, found, until
        self.dice = random.Random(f"{args.seed}-{number}")

    def run(self) -> None:
        for turn in count(self.number):
            if time.monotonic() > self.until:
                break
            self.one(SOLVERS[turn % len(SOLVERS)], self.args.out / f"{self.number}-{turn}")

    def one(self, solver: str, run: Path) -> None:
        """A run from its start to its end."""
        found, told = self.found[solver], []
        for start in range(MOST + 1):
            spare = start == MOST or time.monotonic() > self.until
            before = committed(run)
            code, text = self.start_and_kill(solver, run, found, spare)
            told.append(text)
            if code == 0 and (run / "summary.json").exists():
                break
            self.look(solver, run, before, code, text)
            if spare:
                found.lost.append(f"{run}: not ended: exit code {code}: {text[-400:]}")
                return
        found.sessions += 1
        found.hashes.add(json.loads((run / "summary.json").read_text())["weights_sha256"])
        if "is not used" in (run / "log.txt").read_text():
            found.lost.append(f"{run}: a committed checkpoint was refused: {(run / 'log.txt').read_text()[-400:]}")
        found.orphans += [str(p) for p in run.rglob("*") if p.name.endswith((".partial", ".old", ".owner"))]
        shutil.rmtree(run)

    def look(self, solver: str, run: Path, before: int, code: int, text: str) -> None:
        """After a start that did not end well: is anything lost that was committed?"""
        after = committed(run)
        self.found[solver].early += after < 0
        if after < before:
            self.found[solver].lost.append(f"{run}: checkpoint {before} was there, now {after}: {text[-400:]}")
        if code == 2:
            self.found[solver].lost.append(f"{run}: exit code {code}: {text[-400:]}")

    def start_and_kill(self, solver: str, run: Path, found: Found, spare: bool) -> tuple[int, str]:
        """One start, killed or not; its exit code and what it printed."""
        if committed(run) < 0:
            shutil.rmtree(run, ignore_errors=True)
        mark = f"HPCADMM_CHAOS={os.getpid()}-{self.number}-{self.dice.random()}"
        name, value = mark.split("=")
        begin, new = time.monotonic(), not run.exists()
        with (self.args.out / f"said-{self.number}").open("w+") as said:
            launched = subprocess.Popen(
                self.command(solver, run), stdout=said, stderr=said, env={**os.environ, name: value}, cwd=ROOT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            code = None if spare else wait(launched, self.dice.uniform(0.0, 1.1) * found.seconds)
            if code is None and not spare:
                self.strike(launched, mark, found)
            code = wait(launched, HUNG) if code is None else code
            if code is None:
                found.lost.append(f"{run}: hung")
            elif code == 0:
                found.seconds = time.monotonic() - begin if new else found.seconds
                found.missed += not spare
            self.clear(mark, found)
            said.seek(0)
            return (1 if code is None else code), said.read()

    def command(self, solver: str, run: Path) -> list[str]:
        """Train, or resume on another number of ranks."""
        ranks = self.dice.randint(1, 4) if self.until else 1
        words = [str(BIN / "mpiexec"), "-n", str(ranks), sys.executable, "-m", "hpcadmm"]
        if run.exists():
            return [*words, "resume", str(run), "--quiet"]
        sets = [*SMALL, *([] if solver == "qgadmm" else ["network.hidden=[13, 7]"])]
        options = [word for value in sets for word in ("--set", value)]
        return [*words, "train", f"jobs/digits-{solver}.toml", "--out", str(run), "--quiet", *options]

    def strike(self, launched: subprocess.Popen[bytes], mark: str, found: Found) -> None:
        """Kill a rank, all ranks, or the launcher; before there are ranks it is the launcher."""
        ranks = [pid for pid, words in processes(mark) if "-m hpcadmm" in words and "mpiexec" not in words]
        kind = self.dice.choice(KINDS) if ranks else "launcher"
        found.kills[kind] += 1
        kill({"rank": [self.dice.choice(ranks or [0])], "ranks": ranks, "launcher": [launched.pid]}[kind])

    def clear(self, mark: str, found: Found) -> None:
        """No process may outlive its launcher by more than some seconds."""
        for _ in range(200):
            if not (there := processes(mark)):
                return
            time.sleep(0.05)
        found.orphans += [words for _, words in there]
        kill([pid for pid, _ in there])


def sweep(before: set[str]) -> int:
    """Remove the shared memory that killed ranks left, which MPICH cannot: new, and no process has it mapped."""
    maps = []
    for entry in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            maps.append(entry.read_text())
    gone = 0
    for path in Path("/dev/shm").glob("mpich_*"):
        with suppress(FileNotFoundError):
            if path.name not in before and time.time() - path.stat().st_mtime > 5 and str(path) not in "".join(maps):
                path.unlink()
                gone += 1
    return gone


def whole(solver: str, args: argparse.Namespace, found: dict[str, Found]) -> str:
    """The hash of an uninterrupted run, which also tells how long a start takes."""
    Session(0, args, found, 0.0).one(solver, args.out / f"whole-{solver}")
    return next(iter(found[solver].hashes), "none")


def report(found: dict[str, Found], expected: dict[str, str], args: argparse.Namespace) -> int:
    """The table and results.json; 0 if nothing is lost."""
    head = ("solver", "runs", "kills", *KINDS, "before save", "too late", "lost", "orphans", "hashes")
    rows = []
    for solver, one in found.items():
        hashes = len(one.hashes | {expected[solver]})
        kinds = [one.kills[kind] for kind in KINDS]
        rows.append((solver, one.sessions, sum(kinds), *kinds, one.early, one.missed, len(one.lost),
                     len(one.orphans), hashes))  # fmt: skip
    rows.append(("all", *(sum(row[k] for row in rows) for k in range(1, len(head) - 1)), ""))
    for row in (head, *rows):
        print("".join(f"{cell!s:>12}" for cell in row))
    for one in found.values():
        for line in (*one.lost, *one.orphans):
            print("!", line)
    facts = {"seed": args.seed, "minutes": args.minutes, "rows": [dict(zip(head, row, strict=True)) for row in rows]}
    (args.out / "results.json").write_text(json.dumps(facts, indent=1) + "\n")
    good = all(len(one.hashes | {expected[s]}) == 1 and not one.lost and not one.orphans for s, one in found.items())
    return 0 if good else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--sessions", type=int, default=6, help="at once")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "chaos")
    args = parser.parse_args()
    args.out = args.out.resolve()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    print(f"seed {args.seed}, {args.minutes:g} minutes, {args.sessions} sessions at once", flush=True)
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPIR_CVAR_POLLS_BEFORE_YIELD": "1"}
    shared = set(os.listdir("/dev/shm"))
    found = {solver: Found() for solver in SOLVERS}
    expected = {solver: whole(solver, args, found) for solver in SOLVERS}
    until = time.monotonic() + 60 * args.minutes
    sessions = [Session(number, args, found, until) for number in range(args.sessions)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    print(f"{sweep(shared)} files of MPICH in /dev/shm removed")
    return report(found, expected, args)


if __name__ == "__main__":
    sys.exit(main())
