"""A run by another program: its samples, its run folder, and how it is started."""

import json
import shutil
import sys
from dataclasses import dataclass

from hpcadmm.comm.world import World
from hpcadmm.experiments.folder import Folder
from hpcadmm.experiments.launcher import Launcher, child
from hpcadmm.experiments.plan import Planned
from hpcadmm.experiments.samples import written
from hpcadmm.job.program import Program
from hpcadmm.storage.durable import spoken, write_text
from hpcadmm.storage.environment import environment
from hpcadmm.storage.readers import ENVIRONMENT, JOB


@dataclass(frozen=True)
class Start(Launcher):
    """The words that start the program, once, whatever the number of ranks; given: as the job has them."""

    given: str = ""

    def command(self, *arguments: object) -> list[str]:
        return [*self.words, *map(str, arguments)]

    def shown(self, *arguments: object) -> list[str]:
        return [self.given, *map(str, arguments)]


def begun(folder: Folder, one: Planned, program: Program, launcher: Launcher) -> tuple[Start, list[object]]:
    """How to start a run from its beginning; its samples and its folder are made. Raises UsageError."""
    start, there, samples = Start(program.words, launcher.ranks, program.command), folder.run(one.name), folder.samples
    if not written(one.job, samples):
        child([sys.executable, "-m", "hpcadmm", "data", "samples", str(folder.job(one.name)), str(samples)])
    threads = launcher.ranks * one.job.head.threads
    with spoken(f"make the folder {there}"):
        shutil.rmtree(there, ignore_errors=True)
        there.mkdir(parents=True)
    write_text(there / JOB, one.text)
    write_text(there / ENVIRONMENT, json.dumps(environment(World.without_mpi(), threads), indent=2) + "\n")
    return start, [folder.job(one.name), "--data", samples, "--out", there, "--threads", threads]
