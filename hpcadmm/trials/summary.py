"""One row per job: medians and ranges over its seeds, and notes for the reader."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from hpcadmm.experiments.plan import described
from hpcadmm.experiments.report import cell, markdown
from hpcadmm.trials.reading import COSTS, Result, Row

Range = tuple[float, float, float]  # median, least, largest; infinite where a target was not reached


def spread(values: Sequence[float]) -> Range | None:
    """Median, least and largest value; None of none.

    >>> spread([3.0, 1.0, 2.0]), spread([1.0, math.inf]), spread([])
    ((2.0, 1.0, 3.0), (inf, 1.0, inf), None)
    """
    return (median(values), min(values), max(values)) if values else None


def summarised(results: Sequence[Result], target: float | None) -> list[Row]:
    """A row for each job, in the order in which they were given; ranges are over its finished runs.

    A run that did not reach the target, or failed, counts as infinite cost to the target: the median is finite only if
    more than half of the seeds reached it. One that is not run yet, or was interrupted, does not count.
    """
    labels = dict.fromkeys(one.planned.label for one in results)
    return [one_job([one for one in results if one.planned.label == label], target) for label in labels]


def one_job(runs: Sequence[Result], target: float | None) -> Row:
    """The row of a job."""
    done = [one for one in runs if one.finished]
    reached = [one.at(target) if one.finished else None for one in runs if not one.pending]
    row: Row = {
        "job": runs[0].planned.label,
        **described(runs[0].planned.job),
        "ranks": next((one.summary.get("ranks") for one in done), None),
        "runs": len(runs),
        "finished": len(done),
        "pending": len(runs) - len(reached),
        "measure": next((one.measure for one in done if one.measure), ""),
        "best": spread([value for one in done if (value := one.best()) is not None]),
        "final": spread([value for one in done if (value := one.final()) is not None]),
        "reached": None if target is None else sum(there is not None for there in reached),
    }
    for cost in COSTS:
        row[f"target_{cost}"] = (
            None if target is None or not done else costs([there.get(cost) if there else math.inf for there in reached])
        )
    for cost in COSTS:
        row[cost] = spread([value for one in done if one.rows and (value := one.rows[-1].get(cost)) is not None])
    return row


def costs(values: Sequence[float | None]) -> Range | None:
    """The spread of costs; None if a run did not count them."""
    known = [value for value in values if value is not None]
    return spread(known) if len(known) == len(values) else None


def flat(row: Row) -> Row:
    """The cells of summary.csv: a range becomes three; infinite ones stay empty."""
    cells: Row = {}
    for key, value in row.items():
        if key in RANGES:
            for name, entry in zip(("median", "min", "max"), value or (None,) * 3, strict=True):
                cells[f"{key}_{name}"] = None if entry is None or math.isinf(entry) else entry
        else:
            cells[key] = value
    return cells


READING = (
    "Median over the seeds, in brackets the least and the largest. Seconds are the solver's own, without measuring and "
    "reading data. Synchronisations are the messages of one rank; a sum over all ranks is one. Bytes are those "
    "of all ranks."
)
RANGES = ("best", "final", *COSTS, *(f"target_{cost}" for cost in COSTS))


def page(results: Sequence[Result], rows: Mapping[float | None, Sequence[Row]]) -> str:
    """summary.md: tables of the jobs, for each target too, of the runs that failed, and notes. rows: by target."""
    parts = ["# Comparison", markdown([reached_cells(row) for row in next(iter(rows.values()))])]
    for target, lines in rows.items():
        if target is not None:
            parts += [f"To {wanted(lines, target)} on the test part:", markdown([target_cells(row) for row in lines])]
    if lost := [one for one in results if not one.finished]:
        cells = [{"run": one.planned.name, "state": one.state, "message": one.message} for one in lost]
        parts += ["Runs that did not finish:", markdown(cells)]
    parts += ["\n".join(f"- {note}" for note in notes(results, next(iter(rows))))]
    return "\n\n".join(parts) + "\n"


def wanted(rows: Sequence[Row], target: float) -> str:
    """The target in words."""
    measures = {row["measure"] for row in rows} - {""}
    if measures == {"error"}:
        return f"an error of {target:g}"
    return f"{100 * target:g} %" if measures <= {"accuracy"} else f"{100 * target:g} %, or an error of {target:g},"


def reached_cells(row: Row) -> dict[str, str]:
    """What a job is, its accuracy and its total cost."""
    said = {key: str(row[key]) for key in ("job", "solver", "data", "network", "loss")}
    said |= {"finished": f"{row['finished']} of {row['runs']}"}
    for key in ("best", "final"):
        said[f"{key} test"] = score(row[key], row["measure"])
    return said | {cost: cell(row[cost]) for cost in COSTS}


def target_cells(row: Row) -> dict[str, str]:
    """The cost of a job up to the target."""
    said = {"job": row["job"], "reached": f"{row['reached']} of {row['runs'] - row['pending']}"}
    return said | {cost: cell(row[f"target_{cost}"]) for cost in COSTS}


def score(value: Range | None, measure: str) -> str:
    """An accuracy in per cent, or an error.

    >>> score((0.95, 0.9, 0.96), "accuracy"), score((0.25, 0.25, 0.25), "error")
    ('95.00 % (90.00-96.00)', '0.25')
    """
    if value is None or measure != "accuracy":
        return cell(value)
    middle, low, high = (f"{100 * part:.2f}" for part in value)
    return f"{middle} %" if low == high else f"{middle} % ({low}-{high})"


def notes(results: Sequence[Result], target: float | None) -> list[str]:
    """Notes for the reader of the tables."""
    said = [READING]
    done = [one for one in results if one.finished]
    every = {one.planned.label: one.planned.job.evaluate.every for one in results}
    if target is not None:
        steps = ", ".join(f"{label} {step or 'only at its end'}" for label, step in every.items())
        said.append(f"The target is checked in measured iterations only, one every: {steps}. A run "
                    "that does not reach it counts as later than all others.")  # fmt: skip
    for key, what in (("data", "data"), ("network", "networks")):
        if len({described(one.planned.job)[key] for one in results}) > 1:
            said.append(f"The jobs have different {what}: compare with care.")
    programs = {one.planned.label: one.program for one in done if one.program and one.summary.get("ranks") == 1}
    if any(one.summary.get("ranks") == 1 and not one.program for one in done):
        said.append("On one rank nothing is sent: synchronisations and bytes need two or more (--ranks).")
    if programs:
        said.append("One process with as many threads, whose synchronisations are its steps: "
                    + ", ".join(f"{label} ({program})" for label, program in programs.items()) + ".")  # fmt: skip
    return said + machine_notes(done)


def machine_notes(done: Sequence[Result]) -> list[str]:
    """Notes on the machine and the versions."""
    said = []
    hosts = [host for one in done for host in one.environment.get("hosts", [])]
    for host in hosts:
        if len(host["ranks"]) > host["cores"]:
            said.append(f"{len(host['ranks'])} ranks on {host['cores']} cores: do not compare the seconds.")
    commits = {str(one.environment.get("hpcadmm")) + str(one.environment.get("commit")) for one in done}
    if len(commits) > 1:
        said.append("The runs were made by several versions of hpcadmm: see `commit` in table.csv.")
    kernels = dict.fromkeys(f"{one.kernels} ({one.program or 'hpcadmm'})" for one in done if one.kernels)
    said += [f"Kernels of the products: {', '.join(kernels)}."] if kernels else []
    places = {(host["processor"], host["cores"]) for host in hosts}
    said += [f"Processor: {processor}, {cores} cores." for processor, cores in sorted(places)]
    loads = [session["load_before"] for one in done for session in one.sessions]
    said += [f"Load average before the runs: {min(loads):.2f} to {max(loads):.2f}."] if loads else []
    return list(dict.fromkeys(said))
