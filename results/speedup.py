"""The speed-up experiment of the pdADMM paper: one rank against two, measured; more ranks than cores, modelled.

Writes runs.json (the reports of `hpcadmm bench`) and, by speedup_report.py, table.csv, figure.png and README.md to a
folder beside this file. A run that is already in runs.json is not repeated, unless the sources, the job or the plan
changed: then all are.
"""

import argparse
import hashlib
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from speedup_report import RANKS, Point, Row, name, write

from hpcadmm.bench.scaling import Scaling, child, command, mpiexec, usable_cores
from hpcadmm.errors import UsageError

HERE = Path(__file__).resolve().parent
JOB = Path("../jobs/pdadmm-speedup.toml")


@dataclass(frozen=True)
class Plan:
    """Widths at one depth, depths at one width; every point `repeats` times on each number of ranks, in turn."""

    neurons: tuple[int, ...] = (500, 1000, 1500, 2000, 2400)
    depth: int = 19
    layers: tuple[int, ...] = (4, 9, 14, 19)
    width: int = 1000
    samples: int = 1000
    repeats: int = 2
    iterations: int = 3  # timed, of each repeat, after the bench's three warm ones
    folder: str = "pdadmm-speedup"

    @property
    def kinds(self) -> dict[str, list[Point]]:
        return {
            "neurons": [(n, self.depth) for n in self.neurons],
            "layers": [(self.width, hidden) for hidden in self.layers],
        }

    @property
    def points(self) -> list[Point]:
        """Each once."""
        return list(dict.fromkeys(point for points in self.kinds.values() for point in points))

    def runs(self) -> Iterator[tuple[Point, int, int]]:
        """(point, ranks, repeat): the rank counts of a point follow one another, now this, now that one first."""
        for repeat in range(self.repeats):
            for k, point in enumerate(self.points):
                for ranks in RANKS if (repeat + k) % 2 == 0 else reversed(RANKS):
                    yield point, ranks, repeat


QUICK = Plan((32, 64), 3, (1, 2, 3), 64, samples=200, folder="runs/pdadmm-speedup-quick")


def measure(plan: Plan, launcher: str | None) -> Row:
    """The reports of all runs, saved after each; those of an earlier call that fit are kept."""
    if usable_cores() < max(RANKS):
        sys.exit(f"{usable_cores()} core: {max(RANKS)} ranks there are no measurement")
    file, identity = HERE / plan.folder / "runs.json", identify(plan)
    raw = json.loads(file.read_text()) if file.exists() else {}
    if raw and raw["identity"] != identity:
        print(f"{file.name}: of other sources, another job or plan; measuring anew")
    if raw.get("identity") != identity:
        raw = {"job": JOB.name, "identity": identity, "machine": None, "runs": {}}
    if raw["machine"] is None:
        words = shlex.split(launcher) if launcher else [mpiexec()]
        bench = [sys.executable, "-m", "hpcadmm", "bench", "--only", "machine", "--iterations", "3", "--json"]
        raw["machine"] = launched([*words, "-n", str(max(RANKS)), *bench], max(RANKS))
        save(file, raw)
    for point, ranks, repeat in plan.runs():
        key = name(point, ranks, repeat)
        if key not in raw["runs"]:
            start = time.perf_counter()
            raw["runs"][key] = one_run(plan, point, ranks, launcher)
            save(file, raw)
            print(f"{key}: {time.perf_counter() - start:.1f} s", flush=True)
    return raw


def one_run(plan: Plan, point: Point, ranks: int, launcher: str | None) -> Row:
    """The report of one process group."""
    n, hidden = point
    sets = [f"network.hidden={[n] * hidden}", f"data.first={plan.samples}", f"data.first_test={plan.samples}"]
    return launched(command(ranks, JOB, sets, Scaling(iterations=plan.iterations, launcher=launcher)), ranks)


def launched(argv: list[str], ranks: int) -> Row:
    """The report that a command prints. Exits if the launcher started another number of ranks."""
    report = child(argv, crowded=False)
    if report["figures"]["ranks"] != ranks:
        sys.exit(f"the launcher started other than {ranks} ranks: it does not belong to the MPI library")
    return report


def identify(plan: Plan) -> Row:
    """What must not change between runs that are compared: plan, job, and the package's sources by their sha256."""
    sources = hashlib.sha256()
    for file in sorted((HERE.parent / "hpcadmm").rglob("*.py")):
        sources.update(file.read_bytes())
    return {**json.loads(json.dumps(asdict(plan))), "job": JOB.read_text(), "sources": sources.hexdigest()}


def save(file: Path, raw: Row) -> None:
    """Whole or not at all."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(raw, indent=1) + "\n")
    part.replace(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small layers, into runs/: to try this script")
    parser.add_argument("--report", action="store_true", help="only write the tables and the figure, from runs.json")
    parser.add_argument("--launcher", help="instead of mpiexec beside this Python; it has to take -n N")
    given = parser.parse_args()
    os.chdir(HERE)  # so that reports name files from here
    plan = QUICK if given.quick else Plan()
    folder = HERE / plan.folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        raw = json.loads((folder / "runs.json").read_text()) if given.report else measure(plan, given.launcher)
    except (OSError, UsageError, RuntimeError) as error:
        sys.exit(f"Error: {error}")
    if lacking := [name(*run) for run in plan.runs() if name(*run) not in raw["runs"]]:
        sys.exit(f"runs.json lacks {len(lacking)} runs, first {lacking[0]}: call without --report")
    write(plan, raw, folder)


if __name__ == "__main__":
    main()
