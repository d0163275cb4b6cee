"""The command line. A command's module is imported only when the command runs, so that --help is fast."""

import errno
import gc
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib import import_module
from typing import Any

import click

from hpcadmm import __version__
from hpcadmm.cli import streams
from hpcadmm.comm.launch import guarded
from hpcadmm.comm.launcher import expected_rank, limit_threads
from hpcadmm.errors import Diverged, Interrupted, Note, UsageError, denied, meant

COMMANDS = {
    "train": ("hpcadmm.cli.train:train", "Train a network from a job file."),
    "resume": ("hpcadmm.cli.train:resume", "Resume a run from its newest checkpoint."),
    "evaluate": ("hpcadmm.cli.after:evaluate", "Measure a trained network."),
    "predict": ("hpcadmm.cli.after:predict", "Apply a trained network to new samples."),
    "show": ("hpcadmm.cli.after:show", "List runs in a table."),
    "plot": ("hpcadmm.cli.after:plot", "Plot the curves of one or more runs."),
    "report": ("hpcadmm.cli.report:report", "Write runs as one HTML page to send to others."),
    "compare": ("hpcadmm.cli.compare:compare", "Run several jobs and compare accuracy and cost in one table."),
    "tune": ("hpcadmm.cli.compare:tune", "Find good values of a job's keys on held-out samples."),
    "export": ("hpcadmm.cli.after:export", "Export the network as npz or ONNX."),
    "job": ("hpcadmm.cli.job:job", "Write a job file for your data."),
    "solvers": ("hpcadmm.cli.catalogue:solvers", "List the solvers, or describe one with its keys."),
    "losses": ("hpcadmm.cli.catalogue:losses", "List the losses, or describe one."),
    "activations": ("hpcadmm.cli.catalogue:activations", "List the activations, or describe one."),
    "engines": ("hpcadmm.cli.catalogue:engines", "List the engines of matrix products, the values of precision."),
    "penalties": ("hpcadmm.cli.catalogue:penalties", "List the penalties of linear models, or describe one."),
    "datasets": ("hpcadmm.cli.catalogue:datasets", "List the datasets, or describe one with its keys."),
    "data": ("hpcadmm.cli.data:data", "List, download, convert and inspect datasets."),
    "bench": ("hpcadmm.cli.bench:bench", "Benchmark this machine, and a job against its matrix products."),
    "slurm": ("hpcadmm.cli.slurm:slurm", "Write and submit batch scripts, show their status."),
    "scaling": ("hpcadmm.cli.scaling:scaling", "Measure and predict a job's time on several numbers of ranks."),
    "doctor": ("hpcadmm.cli.doctor:doctor", "Check MPI, launcher, cores, BLAS, HDF5 and disk."),
}
PARALLEL = ("train", "resume", "evaluate", "predict", "bench", "doctor")
SERIAL = {"-h", "--help", "--print-job", "--scaling"}  # with one of these options they are serial, too
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)  # the disk's fault, not the program's
SAVES = ("train", "resume", "compare", "tune", "scaling")  # their results are files, not what they print


class Group(click.Group):
    """A group that prints its help, once under a launcher, and exits with 0 when it is called without a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            if expected_rank() == 0:
                click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            near = meant(args[0], self.list_commands(ctx)).strip()
            raise click.UsageError(f"{error.message} {near}".strip(), ctx) from None


class Commands(Group):
    """Looks commands up by name in COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def hpcadmm() -> None:
    """Train multilayer perceptrons by ADMM on any number of MPI ranks.

    In parallel: mpirun -n N hpcadmm train JOB.toml
    """


@contextmanager
def importing() -> Iterator[None]:
    """Disable garbage collection during imports, then freeze the imported objects.

    Imports create a million lasting objects; scanning them takes a fifth of the start-up time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def describe(error: BaseException) -> tuple[int, str] | None:
    """Exit code and message of an error that is not a defect of the program; None for a defect."""
    if isinstance(error, OSError):
        return _describe_file(error)
    if isinstance(error, UsageError):
        return 2, f"Error: {error}"
    if isinstance(error, MemoryError):
        return 2, f"Error: out of memory: {error or 'too little'}; use more ranks on more nodes, or a smaller problem"
    if isinstance(error, Interrupted):
        return 75, str(error)
    if isinstance(error, Diverged):
        return 1, f"Error: {error}"
    if isinstance(error, KeyboardInterrupt):
        return 130, ""
    if isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding() != "utf-8":
        return 2, f"Error: {error.object!r}: this locale's file names are {error.encoding}; set LC_ALL=C.UTF-8"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return error.exit_code, f"{error.ctx.get_usage()}\nError: {error.format_message()}"
    if isinstance(error, click.ClickException):
        return error.exit_code, f"Error: {error.format_message()}"
    return None


def _describe_file(error: OSError) -> tuple[int, str] | None:
    """The same for an error of a file or disk."""
    if error.errno in FULL:
        return 2, f"Error: cannot write{f' {error.filename}' if error.filename else ''}: {error.strerror}"
    return (2, f"Error: {denied(error)}") if error.filename is not None else None


def run() -> int | None:
    """Run the command of sys.argv and return its exit code. Only one rank prints help."""
    with ExitStack() as stack:
        if expected_rank() > 0 and {"-h", "--help", "--version"} & set(sys.argv):
            stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        try:
            code: int | None = hpcadmm.main(prog_name="hpcadmm", standalone_mode=False)
        except click.Abort as error:
            raise (error.__cause__ or error) from None
        if not set(SAVES) & set(sys.argv[1:2]) or "--print-job" in sys.argv:
            streams.delivered()
        return code


def told_once() -> None:
    """Show a Note as one line, on one rank."""
    if expected_rank() > 0:
        warnings.simplefilter("ignore", Note)
    usual = warnings.formatwarning

    def line(message: Any, category: type[Warning], *place: Any, **more: Any) -> str:
        return f"Warning: {message}\n" if issubclass(category, Note) else usual(message, category, *place, **more)

    warnings.formatwarning = line


def is_parallel(words: Sequence[str]) -> bool:
    """Whether all ranks run this command together. Other commands never start MPI.

    >>> is_parallel(["train", "a.toml"]), is_parallel(["train", "--print-job"]), is_parallel(["show", "train"])
    (True, False, False)
    >>> is_parallel(["data", "convert", "a.csv", "a.h5"]), is_parallel(["data", "inspect", "convert"])
    (True, False)
    """
    command, sub = [*(word for word in words if not word.startswith("-")), "", ""][:2]
    return (command in PARALLEL or (command, sub) == ("data", "convert")) and not SERIAL & set(words)


def main() -> int:
    """The program. Returns the exit code, which is the same on all ranks."""
    streams.secure()
    told_once()
    limit_threads()
    try:
        code = guarded(run, describe, is_parallel(sys.argv[1:]))
    except KeyboardInterrupt:  # during the exit
        code = 130
    if code == 130:
        os._exit(code)  # at once: an MPI that finalizes would report pending messages
    gc.freeze()  # the process ends now: skip the last garbage collection
    return code
