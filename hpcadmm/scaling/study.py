"""One folder of an experiment, read: its rows, its verdict, and remarks on its samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcadmm.scaling.experiment import Experiment
from hpcadmm.scaling.folder import Folder, Sample
from hpcadmm.scaling.rows import Row, rows
from hpcadmm.scaling.verdict import Verdict, judged

BUSY = 0.95  # of a core; a rank that had less shared it with other programs


@dataclass(frozen=True)
class Study:
    """missing: points with too few samples; remarks: what spoils a comparison."""

    folder: Folder
    experiment: Experiment
    rows: list[Row]
    verdict: Verdict
    missing: list[str]
    remarks: list[str]

    @classmethod
    def of(cls, path: Path) -> "Study":
        """Raises UsageError if this is no folder of an experiment."""
        folder = Folder(path)
        return cls(folder, folder.experiment(), rows(folder), judged(folder), missing(folder), remarks(folder))


def missing(folder: Folder) -> list[str]:
    """The points with fewer samples than the experiment asks for."""
    experiment, found = folder.experiment(), []
    for point, samples in folder.kept().items():
        wanted = experiment.repeats - 1
        if len(samples) < wanted:
            found.append(f"point {point.name}: {len(samples)} of {wanted} samples are there")
    return found


def remarks(folder: Folder) -> list[str]:
    """What spoils a comparison, a line each."""
    kept = folder.kept()
    samples = [sample for found in kept.values() for sample in found]
    if not samples:
        return []
    lines = list(differing(samples))
    crowded = [point.name for point, found in kept.items() if any(one.oversubscribed for one in found)]
    if crowded:
        lines.append(f"oversubscribed, no measurement of scaling: {', '.join(crowded)} (ranks x threads > cores)")
    shares = {
        point.name: min(one.report["figures"].get("iteration_cpu_share", 1.0) for one in found)
        for point, found in kept.items()
        if found and point.threads == 1
    }
    slow = [f"{name} ({share:.2f})" for name, share in shares.items() if share < BUSY and name not in crowded]
    if slow:
        lines.append(
            f"other programs used the cores; the smallest share of its core that a rank had: {', '.join(slow)}"
        )
    late = [point.name for point, found in kept.items() if any(not one.seconds for one in found)]
    if late:
        lines.append(f"the target was not reached: {', '.join(late)}")
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
    found = []
    for name, fact in FACTS.items():
        values = list(dict.fromkeys(str(fact(sample)) for sample in samples))
        if len(values) > 1:
            found.append(f"the samples are of different {name}: {', '.join(values)}")
    return found


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
