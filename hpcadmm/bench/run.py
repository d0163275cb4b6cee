"""One benchmark: of the machine, and of a job if one is given. Collective over all ranks."""

from collections.abc import Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from hpcadmm.bench import iteration
from hpcadmm.bench.machine import machine, place
from hpcadmm.bench.options import Options
from hpcadmm.bench.subject import Subject
from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.experiments.report import Report
from hpcadmm.job import job as jobs


def run(path: Path | None, overrides: Sequence[str], options: Options, world: World) -> Report:
    """Measure the parts that the options name; the job first, so that its peak memory is its own. Collective.

    Without a job the machine is measured with one thread per rank. Raises UsageError for bad options or a bad job.
    """
    options.check(path is not None, overrides)
    report = Report()
    report.load("before")
    job = other = message = None
    if path is not None:
        with phase("reading the job file"):
            job = jobs.read(path, overrides, world)
            other = jobs.read(path, [*overrides, *options.against], world) if options.against else None
    head = job.head if job else jobs.Head("machine")
    with threadpool_limits(head.threads):
        place(report, world, head.threads)
    if job is not None:
        message = measure_job(report, job, other, options, world)
    if options.wants("machine"):
        with threadpool_limits(head.threads), phase("measuring the machine"):
            machine(report, world, head.precision, options.iterations, message)
    report.load("after")
    ratio = "first_over_later" if options.wants("first") else "iteration_over_floor"
    report.aim("seconds_over_against" if options.against else ratio, options.target)
    return report


def measure_job(report: Report, job: jobs.Job, other: jobs.Job | None, options: Options, world: World) -> int | None:
    """All figures of a job; returns the bytes of one of its messages. Collective."""
    if options.wants("first"):
        subject = Subject.start(job, world, warm=0)
        report.problem = subject.problem
        iteration.first(report, subject, options.iterations)
        return None
    if not (options.wants("floor") or options.wants("iteration")):
        return None
    subject = Subject.start(job, world, warm=options.warm)
    report.problem = subject.problem
    iteration.memory_figures(report, subject)
    message = iteration.traffic_figures(report, subject)
    if other is not None:
        report.notes["against"] = " ".join(options.against)
        rival = Subject.start(other, world, subject, options.warm)
        iteration.against_another(report, subject, rival, options.iterations)
    elif options.wants("floor"):
        iteration.against_floor(report, subject, options.iterations)
    else:
        iteration.alone(report, subject, options.iterations)
    return message
