"""Does the result depend on the number of ranks? Then the points are different computations, and the study is void."""

import json
import tomllib
from dataclasses import dataclass, field

from hpcadmm.scaling.experiment import points
from hpcadmm.scaling.folder import Folder, Sample

TOLERANCE = {
    "float32": 1e-3,
    "bfloat16": 1e-3,
    "float64": 1e-6,
}  # relative, of the objective where the weights differ in their last bits


@dataclass
class Verdict:
    """faults: why the study is void; notes: what else a reader must know about its results."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def void(self) -> bool:
        return bool(self.faults)

    def lines(self) -> list[str]:
        return [*(f"VOID: {fault}" for fault in self.faults), *self.notes]


def judged(folder: Folder) -> Verdict:
    """Compare the results of all samples of the same problem, the first repeats too."""
    experiment, verdict = folder.experiment(), Verdict()
    groups: dict[str, list[Sample]] = {}
    for point in points(experiment):
        for repeat in range(experiment.repeats):
            sample = folder.sample(point, repeat)
            if sample is not None:
                groups.setdefault(problem(folder, point.name), []).append(sample)
    for samples in groups.values():
        judge(samples, verdict)
    if groups and not verdict.lines():
        across = any(len({sample.point.ranks for sample in samples}) > 1 for samples in groups.values())
        where = "at every number of ranks" if across else "in every repeat (each number of ranks has data of its own)"
        verdict.notes.append(f"results: the same weights, bit for bit, {where}")
    return verdict


def problem(folder: Folder, name: str) -> str:
    """Two points are the same computation if this is equal: the job without its name and its grid."""
    tables = tomllib.loads(folder.job(name).read_text(encoding="utf-8"))
    del tables["name"]
    tables.get("solver", {}).pop("grid", None)
    return json.dumps(tables, sort_keys=True, default=str)


def judge(samples: list[Sample], verdict: Verdict) -> None:
    """The samples of one problem."""
    label = ", ".join(dict.fromkeys(sample.point.name for sample in samples))
    objectives = [sample.report["figures"].get("objective") for sample in samples]
    lost = [
        sample.point.name
        for sample, value in zip(samples, objectives, strict=True)
        if value is None or "diverged" in sample.report["notes"]
    ]
    if lost:
        verdict.faults.append(f"{', '.join(dict.fromkeys(lost))}: the iterate is not finite")
        return
    digests: dict[str, dict[str, None]] = {}  # the points that have each
    for sample in samples:
        digests.setdefault(sample.report["notes"].get("weights_sha256"), {})[sample.point.name] = None
    if len(digests) == 1:
        return
    precision = samples[0].report["problem"]["precision"]
    numbers = [float(value) for value in objectives if value is not None]
    spread = (max(numbers) - min(numbers)) / max(map(abs, numbers)) if any(numbers) else 0.0
    told = f"points {label}: the weights differ, {' | '.join(map(', '.join, digests.values()))}; the objectives "
    if spread > TOLERANCE[precision]:
        verdict.faults.append(f"{told}too, by {spread:.2g} of their size: the answer changes")
    else:
        verdict.notes.append(f"results: {told}agree to {spread:.2g} of their size")
