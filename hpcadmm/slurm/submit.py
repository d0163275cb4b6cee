"""Slurm's own programs, called without a shell."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hpcadmm.errors import UsageError

PATIENCE = 60.0  # seconds that a program of Slurm's may take


def submit(path: Path) -> str:
    """Hand a script to Slurm; returns the job's id. Raises UsageError with Slurm's words if it refuses."""
    said = ask(["sbatch", "--parsable", str(path.absolute())])
    job = said.strip().split("\n")[-1].partition(";")[0]
    if not re.fullmatch(r"\d+", job):
        raise UsageError(f"sbatch gave no job id, but {said.strip()!r}")
    return job


def ask(argv: Sequence[str]) -> str:
    """What a program of Slurm's prints. Raises UsageError if it is missing, fails or hangs."""
    if shutil.which(argv[0]) is None:
        raise UsageError(f"{argv[0]} is not on the PATH: is this a machine with Slurm?")
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{argv[0]}: {error}") from None
    if done.returncode:
        raise UsageError(f"{argv[0]} refused: {(done.stderr or done.stdout).strip()}")
    return done.stdout
