"""A few hundred inputs for the readers in the ordinary suite; `make fuzz` tries as many as one likes."""

import pytest

from hpcadmm.errors import UsageError
from tests.fuzz.harness import Hang, Target, edited, fuzz
from tests.fuzz.readers import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_reads_or_refuses(name: str) -> None:
    assert fuzz(TARGETS[name], 20, 7).tried >= 20


@pytest.mark.parametrize("name", TARGETS)
def test_the_file_that_is_mutated_works(name: str) -> None:
    TARGETS[name].check(TARGETS[name].valid[0])


def test_the_harness_sees_faults_and_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(data: bytes) -> None:
        if b"\xff" in data:
            raise ValueError("no UsageError")
        raise UsageError("refused")

    with pytest.raises(ValueError, match="no UsageError"):
        fuzz(Target([b"abc"], faulty), 500, 0, shrink=False)

    def endless(data: bytes) -> None:
        while True:
            pass

    monkeypatch.setattr("tests.fuzz.harness.SECONDS", 0.05)
    with pytest.raises(Hang):
        fuzz(Target([b"abc"], endless), 1, 0, shrink=False)

    def greedy(data: bytes) -> None:
        bytearray(1 << 40)

    with pytest.raises(MemoryError):
        fuzz(Target([b"abc"], greedy), 1, 0, shrink=False)


def test_edits() -> None:
    number = (258, 2, "big")
    assert edited(b"abcd", [("number", 0.25, number)]) == b"a\x01\x02d"
    assert edited(b"", [("bit", 1.0, 3), ("byte", 0.5, 65)]) == b"A"
    assert edited(b"abcd", [("repeat", 0.5, 2), ("end", 0.9, 0)]) == b"abcdc"
