"""The samples as Extra-P reads them (its JSON format: parameters, and by call path and metric the points)."""

from typing import Any

from hpcadmm.scaling.folder import Folder, Sample
from hpcadmm.scaling.rows import middles

PARTS = ("compute", "communicate", "wait")


def extrap(folder: Folder) -> dict[str, Any] | None:
    """None if there is nothing to tell. A value a sample; oversubscribed points are left out, since no model of the
    cores that are there explains them.
    """
    experiment = folder.experiment()
    kept = {point: good for point, samples in folder.kept().items() if (good := usable(samples))}
    if not kept:
        return None
    parameters = {"ranks": [point.ranks for point in kept]}
    if len(experiment.threads) > 1:
        parameters["threads"] = [point.threads for point in kept]
    if experiment.values:
        parameters[experiment.kind] = [point.value or 0 for point in kept]
    if experiment.grids:
        parameters["layer_blocks"] = [samples[0].report["problem"]["grid"][0] for samples in kept.values()]
    whole = "training" if experiment.kind == "accuracy" else "iteration"
    places = list(zip(*parameters.values(), strict=True))
    measurements = {whole: {"time": measured(places, [middles(samples) for samples in kept.values()])}}
    for part in PARTS:
        values = [[s.report["figures"][f"{part}_seconds"] for s in samples] for samples in kept.values()]
        measurements[f"{whole}->{part}"] = {"time": measured(places, values)}
    return {"parameters": list(parameters), "measurements": measurements}


def usable(samples: list[Sample]) -> list[Sample]:
    """Those that ended, on cores of their own."""
    return [sample for sample in samples if sample.seconds and not sample.oversubscribed]


def measured(places: list[tuple[int, ...]], values: list[list[float]]) -> list[dict[str, Any]]:
    return [{"point": list(place), "values": found} for place, found in zip(places, values, strict=True)]
