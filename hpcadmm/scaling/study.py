"""One folder of an experiment, read: its rows, its verdict, and remarks on its samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcadmm.scaling.experiment import Experiment, Point
from hpcadmm.scaling.folder import Folder, Sample
from hpcadmm.scaling.rows import Row, rows
from hpcadmm.scaling.verdict import Verdict, judged

BUSY = 0.95  # of a core; a rank that had less shared it with other programs


@dataclass(frozen=True)
class Study:
    """kept: samples of each point, without the first repeat; missing: points with too few; remarks: what spoils a
    comparison."""

    experiment: Experiment
    kept: dict[Point, list[Sample]]
    rows: list[Row]
    verdict: Verdict
    missing: list[str]
    remarks: list[str]

    @classmethod
    def of(cls, path: Path) -> "Study":
        """Read a folder. Raises UsageError if it is not the folder of an experiment."""
        folder = Folder(path)
        experiment, kept = folder.experiment(), folder.kept()
        found = rows(experiment, kept)
        return cls(experiment, kept, found, judged(folder), missing(experiment, kept), remarks(kept))

    @property
    def samples(self) -> list[Sample]:
        """All kept samples."""
        return [sample for found in self.kept.values() for sample in found]


def missing(experiment: Experiment, kept: dict[Point, list[Sample]]) -> list[str]:
    """The points with fewer samples than the experiment asks for."""
    wanted = experiment.repeats - 1
    few = {point.name: len(samples) for point, samples in kept.items() if len(samples) < wanted}
    return [f"point {name}: {count} of {wanted} samples are there" for name, count in few.items()]


def remarks(kept: dict[Point, list[Sample]]) -> list[str]:
    """What spoils a comparison, a line each."""
    lines = differing([sample for found in kept.values() for sample in found])
    crowded = [point.name for point, found in kept.items() if any(one.oversubscribed for one in found)]
    shares = {
        point.name: min(one.report["figures"].get("iteration_cpu_share", 1.0) for one in found)
        for point, found in kept.items()
        if found and point.threads == 1
    }
    slow = [f"{name} ({share:.2f})" for name, share in shares.items() if share < BUSY and name not in crowded]
    late = [point.name for point, found in kept.items() if any(not one.seconds for one in found)]
    for names, words in (
        (crowded, "oversubscribed, no measurement of scaling (ranks x threads > cores)"),
        (slow, "other programs used the cores; the smallest share of its core that a rank had"),
        (late, "the target was not reached"),
    ):
        lines += [f"{words}: {', '.join(names)}"] if names else []
    return lines


FACTS: dict[str, Callable[[Sample], Any]] = {
    "commits": lambda s: (s.report["environment"].get("commit") or {}).get("commit"),
    "processors": lambda s: sorted({host["processor"] for host in s.report["environment"].get("hosts", [])}),
    "BLAS kernels": lambda s: sorted(
        {str(pool.get("architecture")) for pool in s.report["environment"].get("blas", [])}
    ),
    "MPI libraries": lambda s: s.report["environment"].get("mpi", {}).get("library"),
}


def differing(samples: Sequence[Sample]) -> list[str]:
    """Facts in which the samples differ."""
    found = {name: dict.fromkeys(str(fact(sample)) for sample in samples) for name, fact in FACTS.items()}
    return [f"the samples are of different {name}: {', '.join(v)}" for name, v in found.items() if len(v) > 1]


def setting(samples: Sequence[Sample]) -> str:
    """Where the samples were measured, in a line."""
    first = samples[0]
    environment = first.report["environment"]
    hosts = environment.get("hosts", [])
    processors = ", ".join(dict.fromkeys(host["processor"] for host in hosts))
    blas = ", ".join(f"{pool.get('internal_api')} {pool.get('version')} {pool.get('architecture')}"
                     for pool in environment.get("blas", [])[:1])  # fmt: skip
    source = environment.get("commit") or {"commit": "unknown"}
    commit = f"commit {source['commit'][:8]}{' with changes' if source.get('changed') else ''}"
    library = " ".join(str(environment.get("mpi", {}).get("library", "")).split(",")[0].split())
    parts = [f"{processors}, {first.cores} cores", blas, library, commit]
    return "; ".join(filter(None, parts))
