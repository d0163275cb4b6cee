"""Two hosts that are joined by a network: `make test-network` starts pytest beside them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Finished, environment, finish, mpiexec
from tests.slurm.lab import until

SCRIPT = Path(__file__).with_name("hosts.sh")
LIMIT = 60  # seconds of a command


class Hosts:
    """The command line on the hosts' ranks, one on each unless told otherwise, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, *arguments: object, ranks: int = 2) -> list[str]:
        launch = [str(SCRIPT), "mpirun", "-n", str(ranks), sys.executable, "-m", "hpcadmm"]
        return [*launch, *map(str, arguments)]

    def run(self, *arguments: object, ranks: int = 2, timeout: float = LIMIT, **env: str) -> Finished:
        """To its end."""
        return finish(self.command(*arguments, ranks=ranks), ranks, timeout, self.variables(env), self.folder)

    def start(self, *arguments: object, **env: str) -> "subprocess.Popen[str]":
        """Without waiting; its output is one text."""
        return subprocess.Popen(
            self.command(*arguments), cwd=self.folder, env=environment(self.variables(env)), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    @staticmethod
    def variables(env: dict[str, str]) -> dict[str, str]:
        return {"MPIEXEC": mpiexec(), **env}

    @staticmethod
    def script(*words: str) -> None:
        """A command of hosts.sh: rate, link."""
        subprocess.run([SCRIPT, *words], check=True, timeout=LIMIT)

    @staticmethod
    def rank_on(host: str) -> int:
        """The process of the rank on a host; waits until there is one."""
        network = Path("/run/netns", host).stat().st_ino

        def found() -> int:
            for entry in Path("/proc").glob("[0-9]*"):
                try:
                    if (entry / "ns" / "net").stat().st_ino == network and is_rank(entry):
                        return int(entry.name)
                except OSError:
                    continue
            return 0

        return int(str(until(f"a rank on {host}", found)))


def is_rank(entry: Path) -> bool:
    words = (entry / "cmdline").read_bytes().split(b"\0")
    return words[0] == sys.executable.encode() and b"hpcadmm" in words


@pytest.fixture
def hosts(mpi_library: str, tmp_path: Path) -> Hosts:
    """Skips where there are none (HPCADMM_NETWORK=required: fails)."""
    why = os.environ.get("HPCADMM_NO_HOSTS") or "`make test-network` starts them"
    if "HPCADMM_HOSTS" in os.environ:
        why = "" if mpi_library == "MPICH" else f"hosts.sh starts ranks by MPICH's launcher, not {mpi_library}'s"
    if why:
        told = f"no hosts: {why}"
        pytest.fail(told) if os.environ.get("HPCADMM_NETWORK") == "required" else pytest.skip(told)
    return Hosts(tmp_path)
