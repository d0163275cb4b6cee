"""A ReFrame test of hpcadmm's scaling: runs an experiment and reads the figures in its report.

    reframe -c jobs/scaling/reframe_hpcadmm.py -r                                      # seconds, this machine
    reframe -C site.py -c jobs/scaling/reframe_hpcadmm.py -r -S experiment=taylor-strong.toml

`hpcadmm` must be on the PATH; or name it: -S program=/path/to/hpcadmm. It starts the ranks itself, so ReFrame
starts it without a launcher. On a cluster, give the job its cores: -S cores=64.
"""

import os
import re

import reframe as rfm
import reframe.utility.sanity as sn
from reframe.core.backends import getlauncher
from reframe.core.builtins import performance_function, run_after, run_before, sanity_function, variable

LINE = re.compile(r"^FOM (?P<name>\S+) = (?P<value>\S+)(?: (?P<unit>\S+))?$", re.MULTILINE)
FIGURES = ("iteration_seconds[", "seconds_to_target[", "efficiency[", "gflops[")


@rfm.simple_test
class HpcadmmScaling(rfm.RunOnlyRegressionTest):
    """`hpcadmm scaling run`, then `report`; fails where the results depend on the number of ranks."""

    experiment = variable(str, value="quick.toml")  # beside this file, or a path
    program = variable(str, value="hpcadmm")
    folder = variable(str, value="out")  # finished samples that are there are not taken again
    cores = variable(int, value=1)

    descr = "hpcadmm: time, efficiency and answer on several numbers of ranks"
    valid_systems = ["*"]  # noqa: RUF012 - ReFrame's own way to say it
    valid_prog_environs = ["*"]  # noqa: RUF012
    sourcesdir = None

    @run_after("setup")
    def prepare(self):
        """One task with all the cores; the command starts its ranks itself."""
        self.job.launcher = getlauncher("local")()
        self.num_tasks, self.num_cpus_per_task = 1, self.cores

    @run_before("run")
    def commands(self):
        file = os.path.join(os.path.dirname(os.path.abspath(__file__)), self.experiment)
        self.executable = self.program
        self.executable_opts = ["scaling", "run", f"'{file}'", "--out", f"'{self.folder}'"]
        self.postrun_cmds = [f"{self.program} scaling report '{self.folder}' -o report"]
        self.keep_files = ["report"]

    @sanity_function
    def answer_stays(self):
        """The study is not void, and no point is missing."""
        return sn.all(
            [
                sn.assert_found(r"^FOM void = 0$", self.stdout),
                sn.assert_found(r"^FOM points_missing = 0$", self.stdout),
                sn.assert_found(r"^FOM (iteration_seconds|seconds_to_target)\[", self.stdout),
            ]
        )

    @run_before("performance")
    def figures(self):
        """A performance variable for each figure of interest that was printed."""
        with open(os.path.join(self.stagedir, str(self.stdout)), encoding="utf-8") as file:
            found = [line.groupdict() for line in LINE.finditer(file.read())]
        for one in found:
            if one["name"].startswith(FIGURES):
                value = sn.make_performance_function(lambda value=float(one["value"]): value, one["unit"] or "1")
                self.perf_variables[one["name"]] = value

    @performance_function("s")
    def slowest(self):
        """The longest time of the points; what a site's reference may be given for."""
        pattern = r"^FOM (?:iteration_seconds|seconds_to_target)\[[^]]*\] = (?P<value>\S+)"
        return sn.max(sn.extractall(pattern, self.stdout, "value", float))
