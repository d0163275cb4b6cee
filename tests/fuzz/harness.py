"""Fuzzing: hypothesis draws inputs, valid files mutated and bytes at random; each must work or be refused.

A target has valid files and a check, which may end in a UsageError and in nothing else, within SECONDS of CPU time and
MEMORY bytes more than the process has before. A module of targets is one file beside this; `run.py` runs it.
"""

import faulthandler
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from hpcadmm.errors import UsageError

KEPT = Path(tempfile.gettempdir()) / f"hpcadmm-fuzz-{os.getpid()}.input"  # the last one, after a fault the guilty one
SECONDS = 10.0  # of CPU time for one input
MEMORY = 3 << 30
EDGES = (0, 1, 2, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 47, (1 << 63) - 1, (1 << 64) - 1)


class Hang(BaseException):
    """One input took longer than SECONDS."""


@dataclass(frozen=True)
class Target:
    """valid: files that work; check: takes the bytes of one, mutated; tokens: texts that matter in this format."""

    valid: Sequence[bytes]
    check: Callable[[bytes], Any]
    tokens: Sequence[bytes] = (b"\0", b"\xff")


@dataclass
class Tally:
    """How many inputs were tried, and of how many the check ended in success."""

    tried: int = 0
    worked: int = 0


Edit = tuple[str, float, Any]


def edits(tokens: Sequence[bytes]) -> st.SearchStrategy[Edit]:
    """One change: its kind, where (a fraction of the file), and with what."""
    where = st.floats(0, 1)
    return st.one_of(
        st.tuples(st.just("byte"), where, st.integers(0, 255)),
        st.tuples(st.just("bit"), where, st.integers(0, 7)),
        st.tuples(st.just("insert"), where, st.one_of(st.sampled_from(tokens), st.binary(max_size=8))),
        st.tuples(st.just("replace"), where, st.sampled_from(tokens)),
        st.tuples(st.just("cut"), where, st.integers(1, 64)),
        st.tuples(st.just("repeat"), where, st.integers(1, 64)),
        st.tuples(st.just("end"), where, st.just(0)),
        st.tuples(
            st.just("number"),
            where,
            st.tuples(st.sampled_from(EDGES), st.sampled_from((2, 4, 8)), st.sampled_from(("little", "big"))),
        ),
    )


def edited(data: bytes, changes: Sequence[Edit]) -> bytes:
    """The file after the changes.

    >>> edited(b"abcd", [("cut", 0.0, 1), ("insert", 1.0, b"!")])
    b'bcd!'
    """
    for kind, where, what in changes:
        at = int(where * len(data))
        match kind:
            case "byte":
                data = data[:at] + bytes([what]) + data[at + 1 :]
            case "bit":
                data = data[:at] + bytes([byte ^ 1 << what for byte in data[at : at + 1]]) + data[at + 1 :]
            case "insert":
                data = data[:at] + what + data[at:]
            case "replace":
                data = data[:at] + what + data[at + len(what) :]
            case "cut":
                data = data[:at] + data[at + what :]
            case "repeat":
                data = data[: at + what] + data[at:]
            case "end":
                data = data[:at]
            case "number":
                value, width, order = what
                packed = (value % (1 << 8 * width)).to_bytes(width, order)
                data = data[:at] + packed + data[at + width :]
    return data


class Case(list[bytes]):
    """Inputs of one draw; short where they are shown."""

    def __repr__(self) -> str:
        return f"{len(self)} inputs, the last {self[-1][:200]!r} ({len(self[-1])} bytes)"


def stages(data: bytes, changes: Sequence[Edit]) -> Case:
    """The file after the first change, the first two, and so on."""
    return Case(edited(data, changes[: k + 1]) for k in range(len(changes)))


def inputs(target: Target) -> st.SearchStrategy[Case]:
    """Mutated valid files, a few with each draw, and now and then bytes at random."""
    changes = st.lists(edits(target.tokens), min_size=1, max_size=6)
    mutated = st.builds(stages, st.sampled_from(list(target.valid)), changes)
    tokens = st.lists(st.sampled_from(list(target.tokens)), max_size=40).map(lambda parts: Case([b"".join(parts)]))
    return st.one_of(mutated, mutated, mutated, mutated, tokens, st.binary(max_size=400).map(lambda data: Case([data])))


@contextmanager
def limited() -> Iterator[None]:
    """While entered, the process may take MEMORY more bytes of address space."""
    with open("/proc/self/statm", encoding="ascii") as file:
        have = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (have + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def watched() -> Iterator[None]:
    """While entered, SECONDS of CPU time end in Hang; in a library that does not come back, in the process' end."""

    def hang(*_: Any) -> None:
        raise Hang(f"one input took more than {SECONDS:g} s")

    before = signal.signal(signal.SIGPROF, hang)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def fuzz(target: Target, count: int, seed: int, shrink: bool = True) -> Tally:
    """Try the inputs of `count` draws, the same for the same seed; any end but success or a UsageError is raised."""
    tally = Tally()

    def one(data: bytes) -> None:
        tally.tried += 1
        with watched():
            try:
                target.check(data)
                tally.worked += 1
            except UsageError as error:
                said = str(error)
                assert said.strip(), "a UsageError without a word"
                said.encode()  # a lone surrogate would end the command that prints it

    def check(several: Case) -> None:
        for data in several:
            KEPT.write_bytes(data)
            one(data)

    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    how = settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    with limited():
        hypothesis.seed(seed)(how(hypothesis.given(inputs(target))(check)))()
    KEPT.unlink(missing_ok=True)
    return tally


def run(targets: dict[str, Target], count: int, seed: int, chunk: int = 1000) -> int:
    """Try at least `count` inputs, dealt over the targets in chunks; returns how many, printing where it stands."""
    if sys.stderr.isatty() or hasattr(sys.stderr, "fileno"):
        faulthandler.enable()
    total = 0
    each = max(1, -(-count // len(targets)))
    for name, target in targets.items():
        tally, draws = Tally(), 0
        while tally.tried < each:
            faulthandler.dump_traceback_later(3600, exit=True)  # a hang that no Python signal can end
            part = fuzz(target, min(chunk, each - tally.tried), seed + draws)
            draws += chunk
            tally.tried, tally.worked = tally.tried + part.tried, tally.worked + part.worked
        faulthandler.cancel_dump_traceback_later()
        total += tally.tried
        print(f"{name}: {tally.tried} inputs, {tally.worked} worked, the others were refused", flush=True)
    return total
