"""Calls of Slurm's programs, without a shell."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hpcadmm.errors import UsageError

PATIENCE = 60.0  # seconds before a call counts as hung


def submit(path: Path) -> str:
    """Submit a script and return the job id. Raises UsageError with Slurm's message if it refuses."""
    output = ask(["sbatch", "--parsable", str(path.absolute())])
    job = output.strip().split("\n")[-1].partition(";")[0]
    if not re.fullmatch(r"\d+", job):
        raise UsageError(f"sbatch printed no job id, but {output.strip()!r}")
    return job


def ask(argv: Sequence[str]) -> str:
    """The output of one of Slurm's programs. Raises UsageError if it is missing, fails or hangs."""
    if shutil.which(argv[0]) is None:
        raise UsageError(f"{argv[0]} is not on the PATH: is this a machine with Slurm?")
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{argv[0]}: {error}") from None
    if done.returncode:
        raise UsageError(f"{argv[0]} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout
