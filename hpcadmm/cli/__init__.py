"""The command line. A command's module is imported when the command runs, so that --help is quick."""

import errno
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib import import_module

import click

from hpcadmm import __version__
from hpcadmm.cli import streams
from hpcadmm.comm.launch import guarded
from hpcadmm.comm.launcher import expected_rank, limit_threads
from hpcadmm.errors import Diverged, Interrupted, UsageError, denied

COMMANDS = {
    "train": ("hpcadmm.cli.train:train", "Train the network of a job file."),
    "resume": ("hpcadmm.cli.train:resume", "Go on with a run from its newest checkpoint."),
    "evaluate": ("hpcadmm.cli.after:evaluate", "Accuracy or error of a run's network."),
    "predict": ("hpcadmm.cli.after:predict", "The network's output for new samples."),
    "show": ("hpcadmm.cli.after:show", "A table of runs."),
    "plot": ("hpcadmm.cli.after:plot", "Draw the curves of one or several runs."),
    "compare": ("hpcadmm.cli.compare:compare", "Run several jobs, and tell in one table what they reach and cost."),
    "tune": ("hpcadmm.cli.compare:tune", "Choose a job's values on samples held out."),
    "export": ("hpcadmm.cli.after:export", "Write the network as npz or ONNX."),
    "data": ("hpcadmm.cli.data:data", "List, download, convert and inspect datasets."),
    "bench": ("hpcadmm.cli.bench:bench", "Measure this machine, and a job against its floor."),
    "slurm": ("hpcadmm.cli.slurm:slurm", "Batch scripts: write, submit, status."),
    "scaling": ("hpcadmm.cli.scaling:scaling", "Measure a job on several numbers of ranks, and report on it."),
    "doctor": ("hpcadmm.cli.doctor:doctor", "Check MPI, launcher, cores, BLAS, HDF5 and disk."),
}
OF_RANKS = ("train", "resume", "evaluate", "predict", "bench", "doctor")
ALONE = {"-h", "--help", "--print-job", "--scaling"}  # with which these need no ranks either
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)  # of a disk: no defect of the program
SAVES = ("train", "resume", "compare", "tune", "scaling")  # what they print is not what they are run for


class Group(click.Group):
    """A group that, called without a command, prints its help and ends with 0; under a launcher one rank prints."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            if expected_rank() == 0:
                click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)


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

    On several: mpirun -n N hpcadmm train JOB.toml
    """


@contextmanager
def importing() -> Iterator[None]:
    """While entered, modules are imported and Python does not look for garbage, nor later in what they have made.

    They make a million objects that stay: looking through them takes a fifth of the start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def describe(error: BaseException) -> tuple[int, str] | None:
    """Exit code and message of an exception that is no defect; None for any other."""
    if isinstance(error, UsageError):
        return 2, f"Error: {error}"
    if isinstance(error, OSError) and error.errno in FULL:
        return 2, f"Error: cannot write{f' {error.filename}' if error.filename else ''}: {error.strerror}"
    if isinstance(error, OSError) and error.filename is not None:
        return 2, f"Error: {denied(error)}"
    if isinstance(error, MemoryError):
        return 2, f"Error: memory: {error or 'too little'}; use more ranks on more nodes, or a smaller problem"
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


def run() -> int | None:
    """Run the command of sys.argv; returns its exit code. Help is printed by one rank only."""
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


def of_ranks(words: Sequence[str]) -> bool:
    """Is it a command that all ranks run together? No other starts MPI.

    >>> of_ranks(["train", "a.toml"]), of_ranks(["train", "a.toml", "--print-job"]), of_ranks(["show", "train"])
    (True, False, False)
    """
    command = next((word for word in words if not word.startswith("-")), "")
    return command in OF_RANKS and not ALONE & set(words)


def main() -> int:
    """The program: returns the exit code of the job. Under a launcher all ranks return the same."""
    streams.secure()
    limit_threads()
    try:
        code = guarded(run, describe, of_ranks(sys.argv[1:]))
    except KeyboardInterrupt:  # while it ended
        code = 130
    if code == 130:
        os._exit(code)  # at once: an MPI that ends would tell of the messages that were under way
    gc.freeze()  # what is left goes with the process; Python would look through it for garbage first
    return code
