"""The job files: all can be read, and jobs/README.md lists every file and every key."""

from dataclasses import fields
from fnmatch import fnmatch

import pytest

from hpcadmm.datasets import DATASETS
from hpcadmm.experiments.plan import repeated
from hpcadmm.job.options import Evaluate, Head, Layers, Log, Save, Stop
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.scaling.experiment import Experiment
from hpcadmm.solvers import SOLVERS
from tests.conftest import ROOT

JOBS = ROOT / "jobs"
FILES = sorted(path.relative_to(JOBS).as_posix() for path in JOBS.rglob("*.toml"))
README = (JOBS / "README.md").read_text()
KINDS = [*DATASETS.values(), *ACTIVATIONS.values(), *LOSSES.values(), *SOLVERS.values()]


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("scaling/")])
def test_a_job_can_be_read(name):
    (one,) = repeated([JOBS / name], [], 1)
    assert (JOBS / name).read_text().startswith("# ")
    assert one.job.head.name


def test_the_files_are_few_and_listed():
    assert len(FILES) <= 90
    told = [cell.strip("`") for line in README.splitlines() if line.startswith("| `") for cell in
            line.split("|")[1].replace("SOLVER", "*").replace(", ", " ").split()]  # fmt: skip
    missing = [name for name in FILES if not any(fnmatch(name, pattern) for pattern in told)]
    assert not missing


@pytest.mark.parametrize("kind", [Head, Layers, Stop, Save, Evaluate, Log, *KINDS], ids=lambda kind: kind.__name__)
def test_the_reference_has_every_key(kind):
    missing = [field.name for field in fields(kind) if f"`{field.name}`" not in README]
    assert not missing


def test_the_reference_of_experiments_has_every_key():
    text = (JOBS / "scaling/README.md").read_text()
    assert [field.name for field in fields(Experiment) if f"`{field.name}`" not in text] == []
