"""What a reader of the figures has to know of the samples: those that are missing, and what was not alike."""

from collections.abc import Callable, Sequence
from typing import Any

from hpcadmm.scaling.folder import Folder, Sample

BUSY = 0.95  # of a core that a rank had; below it others were at work


def missing(folder: Folder) -> list[str]:
    """The points of which there are fewer samples than the experiment asks for."""
    experiment, found = folder.experiment(), []
    for point, samples in folder.kept().items():
        wanted = experiment.repeats - 1
        if len(samples) < wanted:
            found.append(f"point {point.name}: {len(samples)} of {wanted} samples are there")
    return found


def remarks(folder: Folder) -> list[str]:
    """One line for each thing that spoils a comparison, or that it rests on."""
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
        lines.append(f"others used the cores meanwhile; a rank's least share of its core: {', '.join(slow)}")
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
    """Facts that are not the same of all samples."""
    found = []
    for name, fact in FACTS.items():
        values = list(dict.fromkeys(str(fact(sample)) for sample in samples))
        if len(values) > 1:
            found.append(f"the samples are of different {name}: {', '.join(values)}")
    return found


def setting(samples: Sequence[Sample]) -> str:
    """Where it was measured, in a line."""
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
