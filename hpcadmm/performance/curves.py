"""Predicted time against rank count, and a sentence that says where it stops falling and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.performance.fabric import Network
from hpcadmm.performance.fit import Known
from hpcadmm.performance.machine import Machine
from hpcadmm.performance.predict import NONE, TERMS, Factors, Prediction, estimate
from hpcadmm.solvers.shared.case import Case

STILL = 1.05  # a time within this of the least is as good
FAR = 4  # times the useful ranks: at this many the limit shows
KINDS = ("strong", "weak", "layers", "grids")


@dataclass(frozen=True)
class Series:
    """A case at `base` ranks and its measured points. dealt: "samples" or "layers" if all points were dealt so."""

    name: str
    kind: str
    case: Case
    base: int
    points: tuple[Known, ...]
    dealt: str | None = None

    def at(self, ranks: int) -> Case:
        """The case on this number of ranks. "weak": as many samples a rank as at `base`; "layers": one layer a rank, as
        wide as the widest hidden one; else unchanged."""
        if self.kind == "weak":
            case = replace(self.case, samples=self.case.samples * ranks // self.base)
            return self.on_grid(case, ranks)
        if self.kind == "layers":
            n = self.case.n
            return replace(self.case, n=(n[0], *[max(n[1:-1], default=n[0])] * (ranks - 1), n[-1])).gridded(ranks, 1)
        return self.on_grid(self.case, ranks)

    def on_grid(self, case: Case, ranks: int) -> Case:
        """The case on a grid like those of the points."""
        if self.dealt is None or self.kind == "grids":
            return case
        return case.gridded(1, ranks) if self.dealt == "samples" else case.gridded(ranks, 1)


@dataclass(frozen=True)
class Curve:
    """Predictions by increasing rank count; refused: the solver's message if it takes no more ranks."""

    series: Series
    factors: Factors
    found: tuple[Prediction, ...]
    refused: str | None

    def efficiency(self, one: Prediction) -> float:
        """Against the first prediction."""
        first = self.found[0]
        grown = 1.0 if self.series.kind in ("weak", "layers") else first.ranks / one.ranks
        return first.seconds / one.seconds * grown


def series(known: Sequence[Known], kind: str | None) -> list[Series]:
    """The measured points by job, those of weak scaling by samples a rank."""
    groups: dict[tuple[Any, ...], list[Known]] = {}
    for one in known:
        weak = one.point.kind == "weak"
        per = one.case.samples // one.point.ranks if weak else one.case.samples
        solver, n, _, precision, variant = one.shape
        groups.setdefault((solver, n, weak, per, precision, variant), []).append(one)
    found = []
    for (*_, weak, _, _, _), members in groups.items():
        first = min(members, key=lambda one: one.point.ranks)
        chosen = kind or ("weak" if weak else "strong")
        if chosen in ("layers", "grids") and not first.case.solver.has_grid:
            chosen = "weak" if weak else "strong"
        shown = tuple(members) if chosen != "layers" and (chosen == "weak") == weak else ()
        case, dealt = free(first.case, members)
        per = first.case.samples // first.point.ranks
        found.append(Series(named(case, weak, chosen, per), chosen, case, first.point.ranks, shown, dealt))
    return found


def free(case: Case, members: Sequence[Known]) -> tuple[Case, str | None]:
    """The case with the solver's own dealing to ranks, and how the points were dealt if a grid was chosen."""
    if not case.solver.has_grid:
        return case, None
    own = [one.point.job["solver"].get("grid") for one in members]
    chosen = [grid for grid in own if isinstance(grid, list)]
    names = [grid for grid in own if isinstance(grid, str)]
    case = replace(case, solver=replace(case.solver, grid=names[0] if names else type(case.solver)().grid))
    if chosen and all(layers == 1 for layers, _ in chosen):
        return case, "samples"
    return case, "layers" if chosen and all(samples == 1 for _, samples in chosen) else None


def named(case: Case, weak: bool, kind: str, per: int) -> str:
    """The name of a curve in legends.

    >>> from hpcadmm.solvers import SOLVERS
    >>> named(Case(SOLVERS["taylor"](), (784, 300, 300, 10), 60000), False, "strong", 60000)
    'taylor 784-300-300-10, 60,000 samples'
    >>> named(Case(SOLVERS["mpadmm"](late=1), (784, 300, 10), 60000), False, "strong", 60000)
    'mpadmm, late sums, 784-300-10, 60,000 samples'
    """
    name = f"{case.solver.name}, {case.solver.variant}," if case.solver.variant else case.solver.name
    if kind == "layers":
        units = max(case.n[1:-1], default=case.n[0])
        return f"{name} with a layer of {units} units a rank, {case.samples:,} samples"
    runs: list[list[int]] = []
    for units in case.n:
        if runs and runs[-1][0] == units:
            runs[-1][1] += 1
        else:
            runs.append([units, 1])
    sizes = "-".join(f"{units}x{count}" if count > 2 else "-".join([str(units)] * count) for units, count in runs)
    many = f"{per:,} samples a rank" if kind == "weak" or weak else f"{case.samples:,} samples"
    return f"{name} {sizes}, {many}" + (", best grids" if kind == "grids" else "")


def counts(case: Case, most: int) -> list[int]:
    """Rank counts worth a prediction: powers of two, 1-2-5, and divisors of layers and tiles.

    >>> from hpcadmm.solvers import SOLVERS
    >>> counts(Case(SOLVERS["taylor"](), (4, 3, 2), 64 * 9), 12)
    [1, 2, 3, 4, 5, 8, 9, 10, 12]
    """
    found = {most} | {c * 10**k for k in range(8) for c in (1, 2, 5)} | {2**k for k in range(25)}
    tiles = case.tiles().count
    found |= {tiles // k for k in range(1, 5)} | {-(-tiles // k) for k in range(1, 4)}
    if case.solver.has_grid:
        found |= {case.L * 2**k for k in range(20)} | {case.L * tiles // k for k in (1, 2, 4)}
    return sorted(n for n in found if 1 <= n <= most)


def grids(case: Case, ranks: int) -> Iterator[Case]:
    """The case on every grid that its solver accepts; the case itself if the solver has no grids."""
    if not case.solver.has_grid:
        yield case
        return
    for layers in (d for d in range(1, min(case.L, ranks) + 1) if ranks % d == 0):
        one = case.gridded(layers, ranks // layers)
        try:
            one.grid(ranks)
        except UsageError:
            continue
        yield one


def best(case: Case, ranks: int, machine: Machine, network: Network, factors: Factors) -> Prediction | None:
    """The prediction on the fastest grid; None if the solver accepts none."""
    found = [estimate(one, ranks, machine, network).predict(factors) for one in grids(case, ranks)]
    return min(found, key=lambda one: one.seconds, default=None)


def curve(one: Series, most: int, machine: Machine, network: Network, factors: Factors = NONE) -> Curve:
    """Predictions up to `most` ranks."""
    found, refused = [], None
    wanted = counts(one.case, most) if one.kind != "layers" else [n for n in counts(one.case, most) if n > 1]
    wanted += [known.point.ranks for known in one.points]
    for ranks in sorted(set(wanted)):
        try:
            case = one.at(ranks)
            got = best(case, ranks, machine, network, factors) if one.kind == "grids" else None
            if one.kind != "grids":
                got = estimate(case, ranks, machine, network).predict(factors)
            refused = None if got else refused or f"there is no grid of {ranks:,} ranks for this job"
            found += [got] if got else []
        except UsageError as error:
            refused = refused or str(error).splitlines()[0]
    if not found:
        raise UsageError(f"{one.name}: {refused}")
    return Curve(one, factors, tuple(found), refused)


def words(one: Curve) -> str:
    """Where the curve stops scaling, and why."""
    weak = one.series.kind in ("weak", "layers")
    last, first = one.found[-1], one.found[0]
    good = max(k for k, p in enumerate(one.found) if one.efficiency(p) >= 0.5)
    half = one.found[good + 1] if good + 1 < len(one.found) else None
    said = "" if half is None else f" Its efficiency stays below one half from {half.ranks:,} ranks on: {why(half)}."
    if weak:
        text = f"{one.series.name}: {last.seconds:.3g} s on {last.ranks:,} ranks, efficiency {one.efficiency(last):.0%}"
        return text + (f"; what costs most there, besides the work, is {why(last)}." if half is None else ".") + said
    least = min(p.seconds for p in one.found)
    stop = next(p for p in one.found if p.seconds <= STILL * least)
    text = (
        f"{one.series.name}: from {first.seconds:.3g} s on {first.ranks:,} to {stop.seconds:.3g} s on {stop.ranks:,} "
        f"ranks, efficiency {one.efficiency(stop):.0%}."
    )
    after = [p for p in one.found if p.ranks > stop.ranks]
    if after:
        far = next((p for p in after if p.ranks >= FAR * stop.ranks), after[-1])
        text += f" More ranks do not make it faster: {why(far)}."
    elif one.refused:
        text += f" The solver takes no more: {one.refused}"
    else:
        text += f" It still becomes faster; what costs most there, besides the work, is {why(stop)}."
    return text + said


def why(one: Prediction) -> str:
    """The largest term but the work, with its share."""
    share = one.terms[one.limit] / one.seconds
    return f"{TERMS[one.limit]} ({share:.0%} of the time)" if share > 0.005 else "nothing above one per cent"
