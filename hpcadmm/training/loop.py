"""The outer loop, the only one in the package: step, agree, measure, log, checkpoint, stop."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from hpcadmm.comm.launch import phase
from hpcadmm.comm.signals import Signals
from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Dataset
from hpcadmm.errors import Diverged, Interrupted, UsageError
from hpcadmm.job.job import Job
from hpcadmm.kernels import CURE, lost
from hpcadmm.storage.environment import environment
from hpcadmm.storage.readers import scaling_of
from hpcadmm.storage.run import Run
from hpcadmm.storage.unsaved import Unsaved
from hpcadmm.training.best import metric_of
from hpcadmm.training.callbacks import Callback, of_log, tell
from hpcadmm.training.current import Training
from hpcadmm.training.fits import next_fit, unmeasured, write_path
from hpcadmm.training.measure import Clock, certified, measure, weights_sha256
from hpcadmm.training.origin import Origin, begin, continued, kept
from hpcadmm.training.progress import Progress
from hpcadmm.training.rehearsal import rehearse
from hpcadmm.training.restart import job_of, restore, restore_best, write_best, write_checkpoint
from hpcadmm.training.setup import Setup, set_up
from hpcadmm.training.stopping import Stopping, cures


def train(
    job: Job,
    out: Path | None,
    world: World,
    progress: Progress,
    origin: Origin | None = None,
    callbacks: Sequence[Callback] = (),
    saves: bool = True,
) -> dict[str, Any]:
    """A new run, from the job's start to its stop; returns the summary. Collective.

    origin: the trained network to begin from, instead of the solver's own start. saves: write a run folder.
    Raises UsageError for faults of the job or the folder, Interrupted after a signal, Diverged.
    """
    job = continued(job, origin) if origin else job
    callbacks = [*of_log(job.log.names, world), *callbacks]
    with Signals() as signals, threadpool_limits(job.head.threads):
        setup = set_up(job, world, origin.given if origin else None)
        job = setup.job
        with _created(job, out, world, origin) if saves else Unsaved(world) as run:
            kernels_seconds = _prepare_kernels(job, setup, run, progress, 0)
            with phase("starting"):
                state = begin(job, setup, origin)
            stopping = Stopping(job.stop, metric_of(job, setup.problem.classes))
            t = Training(job, setup, state, run, progress, Clock(world), stopping, callbacks=callbacks)
            t.kernels_seconds = kernels_seconds
            return _complete(t, signals)


def _created(job: Job, out: Path | None, world: World, origin: Origin | None) -> Run:
    """The folder of a new run. Collective."""
    facts = environment(world, job.head.threads, world.library)
    return Run.create(world, out, job.head.name, job.to_toml(), facts, origin.record() if origin else None)


def resume(
    folder: Path,
    overrides: Sequence[str],
    world: World,
    progress: Progress,
    callbacks: Sequence[Callback] = (),
    held: Callable[[Dataset], Dataset] | None = None,
) -> dict[str, Any]:
    """Continue a run from its newest valid checkpoint, on any number of ranks; returns the summary. Collective.

    held: gives a dataset whose rows were in memory its rows again."""
    job = job_of(folder, overrides, world)
    callbacks = [*of_log(job.log.names, world), *callbacks]
    job = replace(job, data=held(job.data)) if held else job
    with Signals() as signals, threadpool_limits(job.head.threads):
        setup = set_up(job, world, kept(folder, world))
        job = setup.job
        facts = environment(world, job.head.threads, world.library)
        with Run.reopen(world, folder, facts, job.to_toml()) as run:
            with phase("reading the checkpoint"):
                state, meta = restore(job, setup, run)
            kernels_seconds = _prepare_kernels(job, setup, run, progress, meta["iteration"])
            clock = Clock(world, before=meta["totals"])
            stopping = Stopping(job.stop, metric_of(job, setup.problem.classes))
            stopping.restore(meta["stopping"])
            restore_best(job, stopping, meta["iteration"], run)
            t = Training(job, setup, state, run, progress, clock, stopping, meta["iteration"], meta["row"])
            t.saved, t.saved_at, t.kernels_seconds = t.iteration, clock.total_seconds, kernels_seconds
            t.callbacks = callbacks
            run.cut_metrics(t.iteration, t.row)
            return _complete(t, signals)


def _prepare_kernels(job: Job, setup: Setup, run: Run, progress: Progress, done: int) -> float:
    """Name the run folder, compile or load the kernels; returns the seconds. An unsaved run compiles as it goes."""
    if not run.saves:
        return 0.0
    progress.begin(job, setup.world.size, run.folder, done)
    seconds = rehearse(job.solver, setup.problem, setup.world)
    said = f"preparing kernels: {seconds:.3f} s" + (f"; {lost()}; {CURE}" if lost() else "")
    run.log(said)
    progress.say(said)
    return seconds


def _complete(t: Training, signals: Signals) -> dict[str, Any]:
    """Prepare, loop, and write the summary."""
    _prepare(t)
    tell(t.callbacks, "start", t)
    with t.progress.of(t.job, t.iteration), t.run.telling(lambda: t.saved):
        reason = loop(t, signals)
        t.job.solver.complete(t.state, t.world)
    diverged = reason.startswith("diverged")
    summary = {
        "state": "interrupted" if signals.agreed else "diverged" if diverged else "finished",
        "stop_reason": reason,
        "iterations": t.iteration,
        "ranks": t.world.size,
        "scaling": scaling_of(t.job.resolved()["data"]),
        **t.row,
        **t.clock.row(),
        **certified(t.row),
        **({"best": t.stopping.record()} if t.job.save.best or t.job.stop.patience else {}),
        "kernels_seconds": t.kernels_seconds,
        "prepare_seconds": t.prepare_seconds,
        **write_path(t),
        "weights_sha256": weights_sha256(t.job.solver.weights(t.state, t.world)),
    }
    t.run.log(f"stopped after {t.iteration} iterations: {reason}")
    with t.run.telling(lambda: t.saved):
        t.run.summary(summary)
    tell(t.callbacks, "end", t, summary)
    t.progress.end(summary, t.folder)
    if signals.agreed:
        raise Interrupted(f"{reason}; {t.run.continued}")
    if diverged:
        raise Diverged("; ".join([reason, *cures(t.job.solver, t.setup.data.warnings), t.run.kept(t.saved)]))
    return summary


def _prepare(t: Training) -> None:
    """Time the solver's `prepare`, give the optimum to the stopping rules, and log what is trained."""
    start = time.perf_counter()
    with phase("preparing"):
        t.job.solver.prepare(t.state, t.problem, t.world)
    t.prepare_seconds = float(t.world.max(time.perf_counter() - start)[0])
    optimum = t.job.solver.reference(t.state)
    if optimum is not None:
        t.stopping.refer(optimum, t.job.head.precision)
    sizes = "-".join(map(str, t.problem.network.n))
    t.run.log(f"{t.job.solver.name} on {t.world.size} ranks: {t.problem.tiles.n} samples, network {sizes}")
    for line in dict.fromkeys([*t.setup.data.facts, *(f"Warning: {line}" for line in t.setup.data.warnings)]):
        t.run.log(line)
        t.progress.say(line)


@np.errstate(over="ignore", invalid="ignore")  # of a run that diverges, which is seen in the same iteration
def loop(t: Training, signals: Signals) -> str:
    """Iterate until a rule stops the run; returns the reason. All ranks leave in the same iteration."""
    reason = f"{t.spent} iterations were done before" if t.spent >= t.job.stop.iterations else None
    while reason is None:
        with phase(f"iteration {t.iteration + 1}"):
            with t.clock.solver():
                t.job.solver.step(t.state, t.problem, t.world)
            t.iteration += 1
            reason, save = _agree(t, signals)
            if reason and reason.startswith("diverged"):
                return reason
            ended = unmeasured(t)
            if _due(t.iteration, t.job.evaluate.every) or ended or (reason and not signals.agreed):
                ended = _measured(t) or ended
                if ended and ended.startswith("diverged"):
                    return ended
            if ended and not next_fit(t):
                reason = reason or ended
            reason = reason or t.asked
            if reason or save or _due(t.iteration, t.job.save.every):
                write_checkpoint(t)
        t.progress.step(t.iteration, t.row)
    if t.saved < t.iteration:
        write_checkpoint(t)
    return reason


def _due(iteration: int, every: int) -> bool:
    return every > 0 and iteration % every == 0


def _agree(t: Training, signals: Signals) -> tuple[str | None, bool]:
    """The reason for which all ranks stop now, if any rank has one, and whether a checkpoint is due by time."""
    stop, save, seconds = t.job.stop, t.job.save, t.clock.total_seconds
    flags = [
        not t.job.solver.finite(t.state),
        signals.raised is not None,
        stop.minutes is not None and seconds >= 60 * stop.minutes,
        save.minutes is not None and seconds - t.saved_at >= 60 * save.minutes,
    ]
    nan, signalled, late, due = (bool(f) for f in t.world.max(np.array(flags, dtype=np.float64))[0])
    if signalled:
        signals.agreed = signals.raised or "a signal on another rank"
    if nan:
        return f"diverged: NaN or infinity in iteration {t.iteration}", False
    if signalled:
        return f"{signals.agreed} in iteration {t.iteration}", True
    if late:
        return f"{stop.minutes:g} minutes of solver time", True
    return None, due


def _measured(t: Training) -> str | None:
    """Append a row to metrics.jsonl; returns the reason of a rule that the row meets."""
    chosen = t.job.metrics, t.setup.meaning, t.job.evaluate.train
    row = {"iteration": t.iteration, **t.clock.row(), **measure(t.job.solver, t.state, t.problem, t.world, *chosen)}
    found = t.stopping.diverged(row)
    t.row = {key: value for key, value in row.items() if key not in ("scale", "dual_scale")}
    try:
        found = found or t.stopping.satisfied(row)
        t.run.metric(t.row)
        if t.job.save.best and t.stopping.at == t.iteration:
            write_best(t)
    except UsageError as error:
        if not (found or "").startswith("diverged"):
            _rescue(t, error)
    if t.callbacks:
        t.asked = t.world.share(tell(t.callbacks, "row", t, t.row))
    return found


def _rescue(t: Training, full: UsageError) -> None:
    """The disk refused a row: end with a checkpoint. Without any checkpoint, continue until one can be written."""
    try:
        if t.saved < t.iteration:
            write_checkpoint(t)
    except UsageError:
        if t.saved < 0:
            if not t.starved:
                t.progress.say(f"{full}\nthe run continues without metrics until a checkpoint can be written")
            t.starved = True
            return
    raise full
