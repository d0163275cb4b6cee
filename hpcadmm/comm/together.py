"""What ranks do together: a fault on one is a fault on all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hpcadmm.errors import RankFailed, UsageError


class Together:
    """The part of a World that needs its `gather` only."""

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, on every rank."""
        raise NotImplementedError

    @contextmanager
    def together(self, what: str) -> Iterator[None]:
        """Run code without communication on every rank; if it fails on one, it fails on all.

        A UsageError is raised on every rank (one message, exit code 2). Another exception stays itself where it
        happened; the other ranks raise a RankFailed that names the rank.
        """
        failure: Exception | None = None
        try:
            yield
        except Exception as error:  # noqa: BLE001 (the other ranks must hear of any)
            failure = error
        usage = isinstance(failure, UsageError)
        said = str(failure) if usage else f"{type(failure).__name__}: {failure}"
        mine = None if failure is None else [usage, said]
        failures = [(rank, *said) for rank, said in enumerate(self.gather(mine)) if said]
        if failures and all(usage for _, usage, _ in failures):
            raise UsageError(failures[0][2]) from failure
        if failure is not None:
            raise failure
        if failures:
            rank, _, text = next(f for f in failures if not f[1])
            raise RankFailed(f"{what}: rank {rank} failed: {text}")

    def digest_agrees(self, digest: str, what: str) -> None:
        """Raise UsageError on all ranks if their digests differ."""
        digests = self.gather(digest)
        if len(set(digests)) > 1:
            shown = ", ".join(f"rank {rank}: {d[:12]}" for rank, d in enumerate(digests))
            raise UsageError(f"the ranks differ in {what} ({shown}); do all nodes see the same files?")
