"""The MPI library as another process sees it: one that is missing, ends its process or hangs becomes a message."""

import json
import os
import subprocess
import sys

PATIENCE = 60.0  # seconds that the library may take to load and start
MARK = "hpcadmm: "
PROGRAM = """\
import json, sys, warnings
warnings.simplefilter("ignore")
import mpi4py
mpi4py.rc.initialize = mpi4py.rc.finalize = sys.argv[1] == "start"
from mpi4py import MPI
print("\\nhpcadmm: " + json.dumps(MPI.get_vendor()), flush=True)
"""


def vendor_name(vendor: tuple[str, tuple[int, ...]]) -> str:
    """As mpi4py gives it, in words.

    >>> vendor_name(("MPICH", (5, 0, 2)))
    'MPICH 5.0.2'
    """
    name, version = vendor
    return f"{name} {'.'.join(map(str, version))}"


def ask(*, start: bool) -> tuple[str, str]:
    """Load the MPI library in another process, and there start MPI if asked to.

    Returns (name and version, "") if that went well, else ("", what went wrong in one line).
    """
    argv = [sys.executable, "-c", PROGRAM, "start" if start else "load"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return "", f"it did not answer within {PATIENCE:.0f} s"
    except OSError as error:
        return "", f"cannot start {os.path.basename(sys.executable)}: {error.strerror or error}"
    answers = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if answers and not done.returncode:
        return vendor_name(json.loads(answers[-1].removeprefix(MARK))), ""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "", said[-1] if said else f"its process ended with code {done.returncode} and said nothing"
