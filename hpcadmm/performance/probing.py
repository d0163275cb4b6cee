"""The machine file: probes under the launcher, with one rank and with a rank on every core."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hpcadmm import __version__
from hpcadmm.errors import UsageError
from hpcadmm.experiments.launcher import child, launcher, refuse_other, usable_cores
from hpcadmm.performance.machine import Machine
from hpcadmm.solvers.shared.case import Case
from hpcadmm.storage.durable import spoken, write_text

Say = Callable[[str], None]


def counts(text: str | None, cores: int) -> list[int]:
    """Rank counts from "1,2"; by default 1 and all cores. Raises UsageError for others."""
    if text is None:
        return sorted({1, cores})
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or found[0] < 1 or found[-1] > cores:
        raise UsageError(
            f"--ranks {text}: write numbers of ranks from 1 to {cores} (the cores here), for example 1,{cores}"
        )
    return found


def measured(ranks: Sequence[int], given: str | None, options: Sequence[str], say: Say) -> Machine:
    """Probe with each number of ranks. Starts processes; RuntimeError if one fails."""
    probes: list[Any] = []
    about: dict[str, Any] = {"hpcadmm": __version__, "cores": usable_cores(), "loads": []}
    for n in ranks:
        say(f"measuring this machine with {n} rank{'s' if n > 1 else ''} at once")
        about["loads"].append(os.getloadavg()[0] if hasattr(os, "getloadavg") else None)
        found = child(launcher(n, given).command("scaling", "probe", *options))
        about["environment"] = found.pop("environment")
        refuse_other(n, found["ranks"])
        probes.append(found)
    return Machine(about, probes)


def write(machine: Machine, out: Path) -> None:
    """Write the machine file. Raises UsageError if the disk refuses."""
    with spoken(f"write {out}"):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, machine.text())


def on_the_spot(case: Case, say: Say) -> Machine:
    """A machine from a measurement of a few seconds, of what one case needs."""
    options = ["--quick", "--precision", case.precision, "--activation", case.activation, "--loss", case.loss]
    return measured(counts(None, usable_cores()), None, options, say)


def doubts(machine: Machine) -> list[str]:
    """Warnings: fits whose median error is over a quarter, and other load during the measurement."""
    poor: dict[str, Any] = {name: error for name, error in machine.errors.items() if error > 0.25}
    found = [f"the fit of {name} has a median error of {error:.0%}" for name, error in poor.items()]
    loads = [load for load in machine.about.get("loads", []) if load is not None]
    if loads and max(loads) > 0.5 * machine.cores + 0.5:
        found.append(f"other processes ran while this machine was measured (load {max(loads):.1f})")
    return found
