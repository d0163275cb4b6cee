"""A real Slurm on this machine: four nodes and a preemptible partition, as processes, ports and folders of its own."""

import getpass
import os
import random
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
PACKAGES = (
    "slurm-wlm",
    "slurm-client",
    "munge",
    "libpmix-dev",
    *(() if Path("/usr/share/modules").exists() else ("lmod",)),  # they conflict
)
SLOTS = 8  # ranks a node, whatever the cores of this machine
SBIN = ("/usr/sbin", "/sbin")
UNDER_WAY = ("", "PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "PREEMPTED", "REQUEUED")
CONF = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmctldPort={control}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
TmpFS={folder}/tmp-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
FirstJobId={first}
SlurmdParameters=config_overrides
KillWait=10
MinJobAge=3600
SlurmctldTimeout=300
SlurmdTimeout=300
CommunicationParameters=NoAddrCache
{nodes}
PartitionName=main Nodes=n[1-4] Default=YES PreemptMode=OFF State=UP
PartitionName=low Nodes=n5 PriorityTier=1 GraceTime=0 State=UP
PartitionName=high Nodes=n5 PriorityTier=10 State=UP
"""


def missing() -> list[str]:
    """The programs that are not installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *SBIN])
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def install() -> None:
    """Install Slurm where HPCADMM_SLURM asks for that (`make test-slurm`) and this user may; else skip.

    HPCADMM_SLURM=required makes a failure of what is a skip otherwise.
    """
    wish = os.environ.get("HPCADMM_SLURM", "")
    if missing() and wish and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
            done = subprocess.run(["apt-get", *words], capture_output=True, text=True, env=quiet, timeout=240)
        print(done.stdout[-2000:], done.stderr[-2000:])
    if gone := missing():
        why = f"Slurm is not installed here ({', '.join(gone)}); as root `make test-slurm` installs it"
        pytest.fail(why) if wish == "required" else pytest.skip(why)


def until(what: str, done: Callable[[], object], seconds: float = 60.0) -> object:
    """Ask until the answer is true, and return it; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not (answer := done()):
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)
    return answer


def ports(count: int) -> list[int]:
    """Free ports."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


class Lab:
    """Slurm in a folder, from `start` to `stop`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        path = os.pathsep.join([environment.get("PATH", ""), *SBIN])
        own = {"PATH": path, "SLURM_CONF": str(folder / "slurm.conf")}
        self.environment = {**environment, **own}
        self.started = 0.0
        self._hurried: set[tuple[str, str]] = set()
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Munge, the controller and a slurmd for each node."""
        for name in ("state", "spool", *(f"tmp-n{k}" for k in range(1, 6))):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(os.urandom(1024))
        control, *others = ports(6)
        host = socket.gethostname().split(".")[0]
        nodes = "\n".join(
            f"NodeName=n{k} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={1 if k == 5 else SLOTS}"
            for k, port in enumerate(others, 1)
        )
        first = random.randrange(10**5, 10**7)  # MPICH names shared memory by it, and a killed job leaves that behind
        text = CONF.format(
            host=host, user=getpass.getuser(), folder=self.folder, control=control, nodes=nodes, first=first
        )
        (self.folder / "slurm.conf").write_text(text)
        sock = self.folder / "munge.sock"
        own = {"socket": sock, "key-file": key, "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "seed"}
        self._run("munged", "--force", "--foreground", *(f"--{k}={self.folder / v}" for k, v in own.items()))
        until("munge answers", sock.exists, 20)
        self.started = time.monotonic()
        self._run("slurmctld", "-D", "-c")
        for k in range(1, 6):
            self._run("slurmd", "-D", "-N", f"n{k}")
        until("five nodes are idle", lambda: self.ask("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").count("n") >= 5)

    def _run(self, *argv: str) -> None:
        with open(self.folder / f"{argv[0]}.out", "ab") as out:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment, start_new_session=True
            )
        self._running.append(process)

    def stop(self) -> None:
        """End all jobs, then what was started, the last first."""
        if self._running:
            self.ask("scancel", "--user", getpass.getuser())
            self.ask("scancel", "--signal=KILL", "--full", "--user", getpass.getuser())
        end = time.monotonic() + 15
        while time.monotonic() < end and self.ask("squeue", "-h", "-o", "%i").strip():
            time.sleep(0.1)
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ask(self, *argv: str) -> str:
        """What a program prints."""
        return self.call(*argv).stdout

    def call(self, *argv: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """A program in the lab, to its end."""
        words = list(map(str, argv))
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=self.environment, cwd=cwd
        )

    def job(self, job: str) -> dict[str, str]:
        """What the controller knows of a job."""
        said = self.ask("scontrol", "-o", "show", "job", job).split("\n")[0]
        return dict(reversed(re.findall(r"(\w+)=(\S*)", said)))

    def before_the_limits(self, seconds: float) -> int:
        """In how many seconds it is so long before the controller looks at time limits: it does every 30 s."""
        return round((self.started - time.monotonic() - seconds) % 30)

    def hurry(self, job: str) -> dict[str, str]:
        """What the controller knows of a job; one that was queued again need not wait for its begin time.

        But two seconds, or its new credential may seem to be the old one, which is revoked.
        """
        facts = self.job(job)
        start = (job, facts.get("Restarts", ""))
        if facts.get("JobState") == "PENDING" and facts.get("Reason") == "BeginTime" and start not in self._hurried:
            self._hurried.add(start)
            self.ask("scontrol", "update", f"jobid={job}", "StartTime=now+2")
        return facts

    def wait(self, job: str, seconds: float = 90.0) -> str:
        """Wait until a job has ended, hurrying it on wherever it was queued again; returns its last state."""

        def ended() -> str:
            state = self.hurry(job).get("JobState", "")
            return "" if state in UNDER_WAY else state

        return str(until(f"job {job} ends: {self.job(job)}", ended, seconds))
