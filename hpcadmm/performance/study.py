"""`hpcadmm scaling model`: fit, validate, predict, and write the results."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.experiments import report
from hpcadmm.performance import pages
from hpcadmm.performance.curves import curve, series, words
from hpcadmm.performance.fabric import network
from hpcadmm.performance.fit import Miss, by_ranks, by_shape, by_solver, fit, know, middle, shapes
from hpcadmm.performance.machine import Machine, counts, doubts, measured, write
from hpcadmm.performance.pages import Study
from hpcadmm.performance.predict import TERMS
from hpcadmm.plotting import picture
from hpcadmm.scaling.folder import measurements
from hpcadmm.solvers import SOLVERS
from hpcadmm.storage.durable import comma_separated, spoken

Say = Callable[[str], None]


def study(folders: Sequence[Path], file: Path | None, out: Path, say: Say, **options: Any) -> int:
    """Read the folders, and write model.md, model.csv, model.json and model.png; exit code 0. options: of `studied`."""
    points, skipped = [], []
    for folder in folders:
        for point in measurements(folder):
            if not SOLVERS[point.solver].billed():
                skipped.append(
                    f"{folder.name}: {point.solver} on {point.ranks} ranks, whose costs the model does not know"
                )
            elif point.threads > 1:
                skipped.append(f"{folder.name}: {point.threads} threads a rank; the model knows one")
            else:
                points.append(point)
    if not points:
        raise UsageError(f"no measured points to fit in {', '.join(map(str, folders))}; " + "; ".join(skipped))
    if file is None:
        machine = measured(counts(None, max(point.ranks for point in points)), None, [], say)
        file = out / "machine.json"
        write(machine, file)
    machine = Machine.read(file)
    found = studied(points, machine, tuple(skipped), **options)
    save(found, out, say)
    return 0


def studied(
    points: Sequence[Any], machine: Machine, skipped: tuple[str, ...] = (), *,
    fabric: str = "this", most: int = 10_000, kind: str | None = None,
) -> Study:  # fmt: skip
    """Fit, validate and predict, over `fabric`, up to `most` ranks; kind: what grows with the ranks."""
    over, known = network(machine, fabric), know(points, machine)
    factors = {name: fit(mine) for name, mine in by_solver(known).items()}
    curves = [curve(one, most, machine, over, factors[one.case.solver.name]) for one in series(known, kind)]
    misses, ranks = by_shape(known), by_ranks(known)
    return Study(machine, over, tuple(known), skipped, factors, tuple(misses), tuple(ranks), tuple(curves))


def save(found: Study, out: Path, say: Say) -> None:
    """Write the tables and the figure, and say a summary."""
    with spoken(f"make the folder {out}"):
        out.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("md", pages.markdown(found)),
        ("csv", comma_separated(rows(found))),
        ("json", record(found)),
    ):
        report.write(out / f"model.{name}", text)
    picture(out / "model.png", lambda: pages.drawn(found.curves, found.network.name), say)
    for line in [pages.validation_words(found), *map(words, found.curves), *doubts(found.machine)]:
        say(line)
    for name, value, unit in figures(found):
        say(f"FOM {name} = {value:.6g} {unit}".rstrip())


def figures(found: Study) -> list[tuple[str, float, str]]:
    """Named figures for other programs: (name, value, unit)."""
    lines = [("model_shapes", float(shapes(found.known)), ""), ("model_median_error", middle(found.by_shape), "")]
    if found.by_ranks:
        lines.append(("model_median_error_unseen_ranks", middle(found.by_ranks), ""))
    for one in found.curves:
        name = one.series.name.replace(" ", "_").replace(",", "")
        fastest = min(one.found, key=lambda p: p.seconds)
        lines.append((f"modelled_ranks_of_least_time[{name}]", float(fastest.ranks), ""))
        lines.append((f"modelled_least_seconds[{name}]", fastest.seconds, "s"))
    return lines


def rows(found: Study) -> list[dict[str, Any]]:
    """One row for each prediction."""
    made = []
    for one in found.curves:
        measured_at = {known.point.ranks: known.seconds for known in one.series.points}
        for p in one.found:
            made.append({
                "series": one.series.name, "kind": one.series.kind, "ranks": p.ranks,
                "grid": "x".join(map(str, p.grid)), "modelled_seconds": p.seconds,
                "measured_seconds": measured_at.get(p.ranks, ""), "modelled_efficiency": one.efficiency(p),
                **{f"modelled_{name}": p.terms[name] for name in TERMS}, "limit": p.limit, "memory_bytes": p.memory,
            })  # fmt: skip
    return made


def record(found: Study) -> str:
    """Everything as JSON."""

    def told(misses: Sequence[Miss]) -> list[dict[str, Any]]:
        return [
            {"solver": m.known.case.solver.name, "sizes": m.known.case.n, "samples": m.known.case.samples,
             "ranks": m.known.point.ranks, "grid": m.known.point.grid, "measured_seconds": m.known.seconds,
             "predicted_seconds": m.predicted, "error": m.error}
            for m in misses
        ]  # fmt: skip

    one = {
        "network": found.network.name,
        "machine": dict(found.machine.about),
        "factors": {name: dict(f) for name, f in found.factors.items()},
        "leave_one_shape_out": told(found.by_shape),
        "leave_one_rank_count_out": told(found.by_ranks),
        "predictions": rows(found),
        "network_numbers": {"shared": asdict(found.network.shared),
                            "between": asdict(found.network.between) if found.network.between else None},
    }  # fmt: skip
    return json.dumps(one, indent=1, allow_nan=False) + "\n"
