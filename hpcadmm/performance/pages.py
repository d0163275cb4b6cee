"""The page of `hpcadmm scaling model`, in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from hpcadmm.performance.curves import Curve, named, words
from hpcadmm.performance.fabric import Network
from hpcadmm.performance.fit import BAR, Known, Miss, middle, shapes
from hpcadmm.performance.machine import Machine
from hpcadmm.performance.predict import FACTORS, TERMS, Factors, Prediction
from hpcadmm.performance.probing import doubts

__all__ = ["Study", "markdown", "validation_words", "words"]
SHOWN = 14  # rows of a curve's table


@dataclass(frozen=True)
class Study:
    """The content of the page."""

    machine: Machine
    network: Network
    known: tuple[Known, ...]
    skipped: tuple[str, ...]
    factors: dict[str, Factors]
    by_shape: tuple[Miss, ...]
    by_ranks: tuple[Miss, ...]
    curves: tuple[Curve, ...]


def validation_words(found: Study) -> str:
    """One line on the error of predictions for points left out of the fit."""
    count, error = shapes(found.known), middle(found.by_shape)
    told = f"leave-one-out over {count} measured shape{'s' if count != 1 else ''}: median error {error:.1%}"
    if count < 8:
        told += " (the bar, 10 %, is for 8 shapes or more)"
    else:
        told += f" (bar: {BAR:.0%}, {'met' if error <= BAR else 'missed'})"
    if found.by_ranks:
        told += f"; rank counts left out: {middle(found.by_ranks):.1%}"
    return told


def markdown(found: Study) -> str:
    """The whole page."""
    lines = [
        "# Model of the scaling",
        "",
        "Everything in the tables named *modelled* is predicted, not measured.",
        f"Network: {found.network.name}. Machine: {found.machine.cores} cores measured at once.",
        "",
        *[f"- Note: {doubt}." for doubt in doubts(found.machine)],
        *[f"- Left out: {text}." for text in found.skipped],
        "",
        "## Error of the model",
        "",
        validation_words(found) + ".",
        "",
        *misses(found.by_shape),
        "",
        "Factors fitted to all points (1: the rates of the machine are right):",
        "",
        *row(["solver", *FACTORS], head=True),
        *[line for name, f in found.factors.items() for line in row([name, *(f"{f[k]:.2f}" for k in FACTORS)])],
        "",
        "## Where it stops",
        "",
        *[f"- {words(one)}" for one in found.curves],
        "",
        *[line for one in found.curves for line in section(one)],
    ]
    return "\n".join(lines).rstrip() + "\n"


def misses(some: Sequence[Miss]) -> list[str]:
    """A table of the points, each predicted by a fit without its job."""
    lines = row(["job", "ranks", "grid", "measured s", "predicted s", "error"], head=True)
    for one in some:
        case, point = one.known.case, one.known.point
        name = named(case, False, "strong", case.samples)
        grid = "x".join(map(str, point.grid))
        lines += row([name, point.ranks, grid, f"{one.known.seconds:.4g}", f"{one.predicted:.4g}", f"{one.error:+.1%}"])
    return lines


def section(one: Curve) -> list[str]:
    """The table of a curve."""
    measured = {known.point.ranks: known.seconds for known in one.series.points}
    head = ["ranks", "grid", "measured s", "modelled s", "modelled efficiency", *TERMS, "MB a rank"]
    lines = [f"## {one.series.name} ({one.series.kind})", "", "Modelled terms in per cent of the time.", ""]
    lines += row(head, head=True)
    for p in chosen(one.found, set(measured)):
        seconds = f"{measured[p.ranks]:.4g}" if p.ranks in measured else ""
        shares = [f"{100 * p.terms[name] / p.seconds:.0f}" for name in TERMS]
        grid = "x".join(map(str, p.grid))
        lines += row([f"{p.ranks:,}", grid, seconds, f"{p.seconds:.4g}", f"{one.efficiency(p):.0%}", *shares,
                      f"{p.memory / 1e6:.0f}"])  # fmt: skip
    return [*lines, ""]


def chosen(some: Sequence[Prediction], wanted: set[int]) -> list[Prediction]:
    """The predictions to show: measured rank counts, the last, and some powers of two."""
    last = some[-1].ranks
    kept = [p for p in some if p.ranks in wanted or p.ranks == last or p.ranks & (p.ranks - 1) == 0]
    if len(kept) < 4:
        kept = list(some)
    step = max(1, -(-len(kept) // SHOWN))
    return [p for k, p in enumerate(kept) if k % step == 0 or p.ranks in wanted or p.ranks == last]


def row(cells: Sequence[object], head: bool = False) -> list[str]:
    """A line of a Markdown table; with the rule below if it is the head."""
    line = "| " + " | ".join(map(str, cells)) + " |"
    return [line, "|" + "---|" * len(cells)] if head else [line]
