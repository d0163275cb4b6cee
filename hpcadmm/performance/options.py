"""Options that make the sums over the ranks fewer, hidden or smaller; `advise` compares them on a network."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.solvers.shared.case import Case


@dataclass(frozen=True)
class Option:
    """Keys of [solver]. sums: iterations that they need to an accuracy, relative to the solver without them: medians of
    MNIST to 97 % (784-300-300-10)."""

    keys: Mapping[str, Any] = field(default_factory=dict)
    sums: float = 1.0

    @property
    def settings(self) -> list[str]:
        """As overrides of a job."""
        return [f"solver.{key}={value}" for key, value in self.keys.items()]


NARROW = (Option({"sums": "bfloat16"}), Option({"sums": 8}))
OPTIONS: Mapping[str, tuple[Option, ...]] = {
    "mpadmm": (
        Option({"late": 1}, 1.05),
        Option({"local_steps": 4}, 0.56),
        Option({"local_steps": 8}, 0.4),
        *NARROW,
        Option({"late": 1, "sums": "bfloat16"}, 1.05),
        Option({"local_steps": 8, "sums": "bfloat16"}, 0.4),
    ),
    **dict.fromkeys(("sgd", "adagrad", "adadelta", "adam", "muon", "soap"), NARROW),
}


def cases(case: Case) -> list[tuple[Option, Case]]:
    """The case as it is, then with each option that its solver accepts; alone if it has one of their keys already."""
    solver, known = case.solver, {one.name: one.default for one in fields(case.solver)}
    found = [(Option(), case)]
    some = [one for one in OPTIONS.get(solver.name, ()) if set(one.keys) <= set(known)]
    if any(getattr(solver, key) != known[key] for one in some for key in one.keys):
        return found
    for one in some:
        other = replace(solver, **one.keys)
        try:
            other.check(case.L)
            other.check_billed()
        except UsageError:
            continue
        found.append((one, replace(case, solver=other)))
    return found
