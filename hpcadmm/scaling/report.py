"""`hpcadmm scaling report`: tables, figures, and a line `FOM name = value` for each figure."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.experiments.report import Report, mark, write
from hpcadmm.plotting import picture
from hpcadmm.scaling.experiment import Experiment
from hpcadmm.scaling.figure import drawn
from hpcadmm.scaling.page import page
from hpcadmm.scaling.rows import middles
from hpcadmm.scaling.study import Study
from hpcadmm.storage.durable import comma_separated, spoken

Say = Callable[[str], None]
FIGURES = (  # columns that become lines
    "seconds", "seconds_low", "seconds_high", "speedup", "efficiency", "serial_fraction", "samples_per_second",
    "gflops", "floor_share", "compute_seconds", "communicate_seconds", "wait_seconds", "hidden_seconds",
    "imbalance", "load",
)  # fmt: skip


def unit(column: str) -> str:
    """The unit of a column."""
    return {"samples_per_second": "1/s", "gflops": "GFLOP/s"}.get(column, "s" if "seconds" in column else "")


def report(paths: Sequence[Path], out: Path | None, say: Say) -> int:
    """Write report.md, report.csv, report.json, extrap.json and the figures into `out`, by default the folder itself.

    Returns the exit code: 1 if a study is void or has no samples, else 0. Raises UsageError for what is no folder of
    an experiment.
    """
    if out is None and len(paths) > 1:
        raise UsageError("a report of several folders goes into one of its own: name it with -o DIR")
    studies = [Study.of(path) for path in paths]
    names = Counter(study.experiment.name for study in studies)
    if twice := [name for name, count in names.items() if count > 1]:
        raise UsageError(f"two of the folders hold an experiment called {twice[0]}: report on them one by one")
    there = out or paths[0]
    with spoken(f"make the folder {there}"):
        there.mkdir(parents=True, exist_ok=True)
    lines = figures(studies)
    pictures = draw_all(studies, there, say)
    write(there / "report.md", "\n".join(page(one, pictures.get(one.experiment.name)) for one in studies))
    write(there / "report.json", lines_json(studies, lines))
    table = [one.record() for study in studies for one in study.rows]
    if table:
        write(there / "report.csv", comma_separated(table))
    for study in studies:
        if found := extrap(study):
            write(there / named(studies, study, "extrap.json"), json.dumps(found, indent=1, allow_nan=False) + "\n")
        for line in (*study.verdict.lines(), *study.missing, *study.remarks):
            say(f"# {study.experiment.name}: {line}" if len(studies) > 1 else f"# {line}")
    say(lines.text())
    return int(any(study.verdict.void or not study.rows for study in studies))


def named(studies: Sequence[Study], study: Study, file: str) -> str:
    """A file's name; with that of the study in front where there are several."""
    return f"{study.experiment.name}-{file}" if len(studies) > 1 else file


def draw_all(studies: Sequence[Study], there: Path, say: Say) -> dict[str, str]:
    """The files of the figures, by study; what is in the way of one is said."""
    found = {}
    for study in studies:
        name = named(studies, study, "figure.png")
        (there / name).unlink(missing_ok=True)
        picture(there / name, partial(drawn, study), lambda line: say(f"# {line}"))
        if (there / name).exists():
            found[study.experiment.name] = name
    return found


def figures(studies: Sequence[Study]) -> Report:
    """All of it as lines; names begin with the study where there are several."""
    found = Report()
    for study in studies:
        front = f"{study.experiment.name}." if len(studies) > 1 else ""
        found.add(f"{front}void", int(study.verdict.void))
        found.add(f"{front}points_missing", len(study.missing))
        for one in study.rows:
            for key in FIGURES:
                if (value := getattr(one, key)) is not None:
                    name = f"{front}{mark(one.oversubscribed)}{line_name(study.experiment, key)}[{one.point}]"
                    found.add(name, value, unit(key))
    return found


def line_name(experiment: Experiment, key: str) -> str:
    """What a figure is called in lines: the seconds say of what.

    >>> from types import SimpleNamespace
    >>> line_name(SimpleNamespace(kind="weak"), "seconds_low"), line_name(SimpleNamespace(kind="accuracy"), "seconds")
    ('iteration_seconds_low', 'seconds_to_target')
    """
    if not key.startswith("seconds"):
        return key
    whole = "seconds_to_target" if experiment.kind == "accuracy" else "iteration_seconds"
    return whole + key.removeprefix("seconds")


def lines_json(studies: Sequence[Study], lines: Report) -> str:
    """Everything as JSON."""
    found: dict[str, Any] = {}
    for study in studies:
        found[study.experiment.name] = {
            "experiment": asdict(study.experiment),
            "void": study.verdict.void,
            "verdict": study.verdict.lines(),
            "missing": study.missing,
            "remarks": study.remarks,
            "rows": [one.record() for one in study.rows],
        }
    return json.dumps({"studies": found, "figures": lines.figures, "units": lines.units}, indent=1, allow_nan=False)


def extrap(study: Study) -> dict[str, Any] | None:
    """The samples in the JSON format of Extra-P: parameters, and values by call path, metric and point; or None.

    Oversubscribed points are left out: no model of the cores explains them.
    """
    experiment = study.experiment
    usable = {
        p: [one for one in samples if one.seconds and not one.oversubscribed] for p, samples in study.kept.items()
    }
    kept = {point: samples for point, samples in usable.items() if samples}
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
    for part in ("compute", "communicate", "wait"):
        values = [[s.report["figures"][f"{part}_seconds"] for s in samples] for samples in kept.values()]
        measurements[f"{whole}->{part}"] = {"time": measured(places, values)}
    return {"parameters": list(parameters), "measurements": measurements}


def measured(places: list[tuple[int, ...]], values: list[list[float]]) -> list[dict[str, Any]]:
    return [{"point": list(place), "values": found} for place, found in zip(places, values, strict=True)]
