"""Targets: job files, overrides, --vary, --data and experiments, up to the point where data would be opened."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from hpcadmm.after.otherdata import described, merged
from hpcadmm.datasets import DATASETS
from hpcadmm.errors import UsageError
from hpcadmm.experiments.plan import difference, flat, resolved
from hpcadmm.job.job import Evaluate, Head, Job, Layers, Log, Save, Stop, parse, source
from hpcadmm.job.tables import named, plain
from hpcadmm.job.typed import Raw
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.scaling.run import prepared
from hpcadmm.slurm.request import Request
from hpcadmm.slurm.script import Training, training
from hpcadmm.solvers import SOLVERS
from hpcadmm.trials.tune import Options, planned
from hpcadmm.trials.vary import varied
from tests.fuzz.harness import Target

JOBS = Path(__file__).resolve().parents[2] / "jobs"
FILES = [path.read_bytes() for path in sorted(JOBS.rglob("*.toml")) if b"[solver]" in path.read_bytes()]
EXPERIMENTS = [path.read_bytes() for path in sorted((JOBS / "scaling").glob("*.toml"))]
CLASSES = {"": [Head], "stop": [Stop], "save": [Save], "evaluate": [Evaluate], "log": [Log]}
CLASSES |= {"network": [Layers, *ACTIVATIONS.values()], "data": [*DATASETS.values()]}
CLASSES |= {"loss": [*LOSSES.values()], "solver": [*SOLVERS.values()]}
KEYS = sorted(
    {f"{table}.{f.name}".strip(".") for table, found in CLASSES.items() for cls in found for f in fields(cls)}
)
EVERY = [(cls, table, f.name) for table, found in CLASSES.items() for cls in found for f in fields(cls)]
LEAST: dict[str, dict[str, Any]] = {"": {"name": "a"}}
NAMES = [f"{table}.name={name}" for table, known in (("data", DATASETS), ("loss", LOSSES), ("solver", SOLVERS))
         for name in known]  # fmt: skip
VALUES = b"""0 1 -1 2 0.5 1e-3 .5 1e400 nan inf -inf true false [] [1] [1,2] [0.5,-1] [[1]] [true] "x" 'x' "" {} {a=1}
2024-01-01 12:30:00 2024-01-01T00:00:00Z 0x10 0b1 1_0 007 +1 9223372036854775808 99999999999999999999999999 float32
float64 exact plain auto none \\t "\\t" \\ \\u0000 \\ud800 relu csv taylor [ ] { } = . , # ' " ''' \"\"\" \xff \xc3\xbc
\xf0\x9f\x98\x80 \xe2\x80\xae [[stop]] [stop] [data.x] [a.b.c] path train""".split()
TOKENS = [*VALUES, b"\n", b" ", b"\t", b"\0", b"\r", *(key.encode() for key in KEYS)]
FOLDER = tempfile.TemporaryDirectory()
STUDY = Path(shutil.copytree(JOBS, f"{FOLDER.name}/jobs")) / "scaling" / "study.toml"
BASE = (JOBS / "digits-taylor.toml").read_text(encoding="utf-8")


def text(data: bytes) -> str:
    """Bytes as a command line has them."""
    return data.decode("utf-8", "surrogateescape")


def job_file(data: bytes) -> None:
    """Read a job; what comes out is a job file of the same job."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "job.toml")
        path.write_bytes(data)
        same(parse(source(path), default_name=path.stem))


def same(job: Job) -> None:
    written = job.to_toml()
    again = parse(written)
    assert again.to_toml() == written
    assert difference(written, again.to_toml()) == ""


def overrides(data: bytes) -> None:
    """Each line is an override of a job."""
    same(parse(BASE, text(data).split("\n")))


def one_value(data: bytes) -> None:
    """The first two bytes choose a key of one of all tables, the rest is typed as its value."""
    cls, table, key = EVERY[int.from_bytes(data[:2], "big") % len(EVERY)]
    faults: list[str] = []
    made = plain(cls, LEAST.get(table, {}) | {key: Raw(text(data[2:]))}, table, faults)
    assert (made is None) == bool(faults)
    assert made is None or key in {f.name for f in fields(made)}
    if faults:
        raise UsageError("\n".join(faults))


def vary(data: bytes) -> None:
    """Each line is a key that is varied."""
    texts = text(data).split("\n")
    path = Path("x.toml")
    plan = planned(path, BASE, [], varied(texts), resolved(BASE, [], path), Options(budget=6))
    for one in plan:
        assert one.fault or parse(one.text) == one.job
    assert flat(plan[0].job.resolved())


def other_data(data: bytes) -> None:
    """Each line is a --data of evaluate."""
    given: dict[str, Any] = {}
    for line in text(data).split("\n"):
        given |= described(line)
    faults: list[str] = []
    named(DATASETS, merged({"name": "csv", "path": "a.csv"}, given), "data", faults)
    assert all(isinstance(key, str) for key in given)


def experiment(data: bytes) -> None:
    """Read an experiment and its points."""
    STUDY.write_bytes(data)
    prepared(STUDY)


def slurm(data: bytes) -> None:
    """Each line is an option of slurm."""
    asked: dict[str, Any] = {}
    settings: Sequence[str] = ()
    for line in text(data).split("\n"):
        key, _, value = line.partition("=")
        if key in ("nodes", "ntasks", "ntasks_per_node", "cpus_per_task"):
            asked[key] = int(value) if value.isdecimal() and len(value) < 20 else value
        elif key in Request.__dataclass_fields__:
            asked[key] = [value] if key in ("setup", "modules") else Path(value) if key == "container" else value
        else:
            settings = [*settings, line]
    training(
        Training(Path("a.toml"), Path("run"), settings), Request(**{k: v for k, v in asked.items() if k != "output"})
    )


LINES = [key.encode() + b"=" + value for key, value in zip(KEYS, VALUES * 9, strict=False)]
SETS = [b"solver.gamma=2\nnetwork.hidden=[5, 3]", b"name=2024-01-01\nstop.accuracy=0.9", *LINES]
SETS += [f"{name}\nloss.name=squared\nnetwork.hidden=[]".encode() for name in NAMES]
VARY = [b"solver.gamma=log:0.1:100", b"solver.beta=uniform:0.5:1\nstop.iterations=int:1:20",
        b"solver.name=choice:taylor,dladmm,sgd\nsolver.sums=choice:exact,plain", b"network.hidden=choice:[5],[5,3]",
        b"data.path=choice:2024-01-01,b\nname=choice:a,b"]  # fmt: skip
DATA = [b"path=2024-01-01", b"target=12:30:00\ndelimiter=\\t", b"name=libsvm\npath=a.svm\nfeatures=3", b"validation="]
SLURM = [b"time=1:00:00\nnodes=2\nntasks=4\nname=a\nmem=16G", b"array=0-4%2\nsetup=module load a\nmpi=pmi2\nqos=x",
         b"container=a.sif\nmodules=a/1\nsignal=TERM@9",
         b"stop.iterations=3\nlauncher=mpirun\nsignal=60\nconstraint=a|b"]  # fmt: skip
WORDS = [b"log:", b"uniform:", b"int:", b"choice:", b":", b"module load x", b"$(x)", b"`", b";"]

TARGETS = {
    "jobs": Target(FILES, job_file, TOKENS),
    "set": Target(SETS, overrides, [*TOKENS, *(f"\n{key}=".encode() for key in KEYS)]),
    "values": Target(
        [b"%c%c" % divmod(k, 256) + VALUES[k % len(VALUES)] for k in range(len(EVERY))], one_value, TOKENS
    ),
    "vary": Target(VARY, vary, [*WORDS, *TOKENS]),
    "data": Target(DATA, other_data, [*TOKENS, *(f"\n{name}".encode() for name in NAMES)]),
    "experiments": Target(EXPERIMENTS, experiment, TOKENS),
    "slurm": Target(SLURM, slurm, [*WORDS, *TOKENS]),
}
