"""`hpcadmm scaling advise`: the number of ranks, the grid, and the options for the network, for a job."""

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.fill import width
from hpcadmm.datasets.loading import chosen
from hpcadmm.errors import UsageError
from hpcadmm.experiments.plan import resolved, source
from hpcadmm.job.job import Job
from hpcadmm.performance.curves import counts, grids, named, why
from hpcadmm.performance.fabric import Network, network
from hpcadmm.performance.machine import Machine, doubts, on_the_spot
from hpcadmm.performance.options import Option, cases
from hpcadmm.performance.pages import row
from hpcadmm.performance.predict import FACTORS, NONE, Factors, Prediction, estimate
from hpcadmm.solvers.shared.case import Case

CLOSE = 1.10  # a time within this factor of the least is as good
USEFUL = 0.5  # efficiency below which ranks are wasted
EVERY = 64  # rank counts up to this are all tried
SHOWN = 8
GAIN = 0.97  # more ranks get a line in the table if the time falls below this factor


@dataclass(frozen=True)
class Advice:
    """All predictions with an option, fastest first, and the advised one; efficiency is relative to `one` rank."""

    case: Case
    network: Network
    one: Prediction
    tried: tuple[Prediction, ...]
    chosen: Prediction
    option: Option = field(default_factory=Option)

    @property
    def time(self) -> float:
        """Seconds to an accuracy, in those of an iteration without options."""
        return self.chosen.seconds * self.option.sums

    def efficiency(self, p: Prediction) -> float:
        return self.one.seconds / (p.seconds * p.ranks)


def case_of(job: Job) -> Case:
    """The case of a job, from the headers of its data. Raises UsageError for several threads or unfit data."""
    if job.head.threads > 1:
        raise UsageError(f"threads = {job.head.threads}: the model knows one thread a rank; --set threads=1")
    job.solver.check_billed()
    world = World.without_mpi()
    train, test = chosen(job.data, job.head.seed, None, world)
    labelling = job.data.labelling(list(dict.fromkeys((train.table, test.table))), world)
    classes = len(labelling.names) if labelling else 0
    outputs = job.loss.outputs(classes)
    outputs = train.table.targets if train.table.targets > 1 else outputs
    n = (width(train.table, job.data.downsample), *job.layers.hidden, outputs)
    names = job.loss.name, job.activation.name
    bias, tile, penalised = job.layers.bias, job.head.tile, job.penalty is not None
    return Case(job.solver, n, len(train.rows), job.head.precision, *names, bias, tile, penalised)


def factors_of(file: Path | None, solver: str) -> Factors:
    """The factors that `hpcadmm scaling model` fitted to this solver. Raises UsageError if there are none."""
    if file is None:
        return NONE
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["factors"][solver]
        return {name: float(found[name]) for name in FACTORS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--fitted {file}: no factors of {solver} in it ({type(error).__name__}: {error})") from None


def advice(case: Case, ranks: int, machine: Machine, over: Network, factors: Factors = NONE) -> Advice:
    """Try every rank count up to EVERY and some above, on every grid. Raises UsageError if the solver accepts none."""
    wanted = sorted({*range(1, min(ranks, EVERY) + 1), *counts(case, ranks)})
    found, refused = [], ""
    for n in wanted:
        for one in grids(case, n):
            try:
                found.append(estimate(one, n, machine, over).predict(factors))
            except UsageError as error:
                refused = str(error)
    if not found:
        raise UsageError(refused or f"{case.solver.name} takes none of 1 to {ranks} ranks")
    found.sort(key=lambda p: (p.seconds, p.ranks))
    alone = min((p for p in found if p.ranks == 1), key=lambda p: p.seconds, default=found[-1])
    return Advice(case, over, alone, tuple(found), choose(found, alone))


def choose(found: Sequence[Prediction], alone: Prediction) -> Prediction:
    """The fewest ranks within CLOSE of the fastest among those of USEFUL efficiency; else `alone`."""
    useful = [p for p in found if alone.seconds / (p.seconds * p.ranks) >= USEFUL] or [alone]
    least = min(p.seconds for p in useful)
    return min((p for p in useful if p.seconds <= CLOSE * least), key=lambda p: (p.ranks, p.seconds))


def advising(
    path: Path, overrides: Sequence[str], file: Path | None, say: Callable[[str], None], *,
    ranks: int, fabric: str = "this", fitted: Path | None = None, as_json: bool = False,
) -> int:  # fmt: skip
    """The command: say tables and command lines; exit code 0."""
    job = resolved(source(path), overrides, path)
    case = case_of(job)
    machine = Machine.read(file) if file else on_the_spot(case, (lambda line: None) if as_json else say)
    check(machine, case)
    factors = factors_of(fitted, case.solver.name)
    over = network(machine, fabric)
    tried = [replace(advice(one, ranks, machine, over, factors), option=option) for option, one in cases(case)]
    found = preferred(tried)
    if as_json:
        say(record(found, tried, path, overrides))
        return 0
    for line in [*lines(found), *option_lines(found, tried)]:
        say(line)
    for doubt in doubts(machine):
        say(f"note: {doubt}")
    for line in ["", *commands(found, path, overrides)]:
        say(line)
    return 0


def preferred(tried: Sequence[Advice]) -> Advice:
    """The soonest at an accuracy; the first, without options, if it is as good."""
    soonest = min(tried, key=lambda one: one.time)
    return soonest if CLOSE * soonest.time < tried[0].time else tried[0]


def check(machine: Machine, case: Case) -> None:
    """Raise UsageError if the machine file lacks what the job needs."""
    rates = machine.rates[machine.cores]
    kernels = rates.kernels.get(np.dtype(case.dtype).name, {})
    if case.precision not in rates.gemm or not {f"{case.activation} prox", f"{case.loss} prox"} <= set(kernels):
        raise UsageError(f"the machine file was measured without {case.precision}, {case.activation} or {case.loss}: "
                         "measure again with hpcadmm scaling machine")  # fmt: skip


def lines(found: Advice) -> list[str]:
    """The table, fastest first."""
    case, p = found.case, found.chosen
    head = [
        "",
        "ranks",
        "grid (layers x samples)",
        "s/iteration",
        "efficiency",
        "costs most besides the work",
        "MB/rank",
    ]
    told = [
        f"{named(case, False, 'strong', case.samples)}: predicted, not measured",
        f"network: {found.network.name}",
        "",
        *row(head, head=True),
    ]
    for one in best_few(found):
        cells = [one.ranks, "x".join(map(str, one.grid)), f"{one.seconds:.4g}", f"{found.efficiency(one):.0%}"]
        told += row(["->" if one is p else "", *cells, why(one).split(":")[0], f"{one.memory / 1e6:.0f}"])
    chosen = f"{p.ranks} rank{'s' if p.ranks > 1 else ''}, grid {p.grid[0]} x {p.grid[1]}"
    reason = f"the fewest within {CLOSE - 1:.0%} of the fastest at an efficiency of {USEFUL:.0%} or more"
    return [*told, "", f"advice: {chosen}: {reason}"]


def option_lines(found: Advice, tried: Sequence[Advice]) -> list[str]:
    """The table of the options, and why one is advised or none."""
    if len(tried) == 1:
        return []
    first = tried[0].time
    head = ["", "options", "ranks", "s/iteration", "of it exposed messages", "sums to an accuracy", "time to it"]
    told = ["", "Options for the network; sums to an accuracy as measured on MNIST, 97 %:", "", *row(head, head=True)]
    for one in tried:
        p = one.chosen
        cells = [" ".join(one.option.settings) or "none", p.ranks, f"{p.seconds:.4g}", f"{talk(p):.4g}"]
        told += row(["->" if one is found else "", *cells, f"x {one.option.sums:g}", f"x {one.time / first:.2f}"])
    p = found.chosen
    same = [one for one in tried[0].tried if one.ranks == p.ranks] or [tried[0].chosen]
    plain = min(same, key=lambda one: one.seconds)
    ranks = f"{p.ranks} rank{'s' if p.ranks > 1 else ''}"
    cost = f"messages take {talk(plain):.3g} of {plain.seconds:.3g} s an iteration on {ranks}"
    if found is tried[0]:
        return [*told, "", f"advice: no option: {cost}"]
    gain = f"{first / found.time:.1f} times as fast to an accuracy"
    return [*told, "", f"advice: {' '.join(found.option.settings)}: {gain}; without it {cost}"]


def talk(p: Prediction) -> float:
    """Seconds of an iteration in messages that no work hides."""
    return p.terms["latency"] + p.terms["bytes"]


def best_few(found: Advice) -> list[Prediction]:
    """The fastest grids of the largest rank counts that are faster than every smaller one, the chosen and one rank."""
    front: list[Prediction] = []
    for one in sorted(found.tried, key=lambda p: (p.ranks, p.seconds)):
        if not front or one.seconds < GAIN * front[-1].seconds:
            front = [p for p in front if p.ranks != one.ranks] + [one]
    shown = front[-SHOWN:]
    for one in (found.chosen, found.one):
        if not any(one is other for other in shown):
            shown.append(one)
    return sorted(shown, key=lambda one: one.seconds)


def commands(found: Advice, path: Path, overrides: Sequence[str]) -> list[str]:
    """Command lines for this machine and for a cluster."""
    settings = [*overrides, *found.option.settings]
    p = found.chosen
    if found.case.solver.has_grid:
        settings = [one for one in settings if not one.startswith("solver.grid")]
        settings.append(f"solver.grid=[{p.grid[0]}, {p.grid[1]}]")
    words = [str(path), *(word for one in settings for word in ("--set", one))]
    nodes = -(-p.ranks // found.network.ranks_per_node)
    return [
        f"mpirun -n {p.ranks} hpcadmm train {shlex.join(words)}",
        f"hpcadmm slurm submit {shlex.join(words)} --nodes {nodes} --ntasks {p.ranks}",
    ]


def record(found: Advice, tried: Sequence[Advice], path: Path, overrides: Sequence[str]) -> str:
    """The advice as JSON."""

    def told(p: Prediction) -> dict[str, object]:
        return {**asdict(p), "efficiency": found.efficiency(p), "limit": p.limit}

    one = {
        "network": found.network.name,
        "advice": told(found.chosen),
        "one_rank": told(found.one),
        "tried": [told(p) for p in best_few(found)],
        "options": [
            {"settings": one.option.settings, "sums": one.option.sums, "time": one.time, **told(one.chosen)}
            for one in tried
        ],
        "commands": commands(found, path, overrides),
    }
    return json.dumps(one, indent=1)
