"""The samples of a job as numpy files, chosen and scaled as in training, for other programs."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.lean.keeping import Keeping
from hpcadmm.job.job import Job
from hpcadmm.products import PRECISIONS
from hpcadmm.storage.durable import spoken, write_text
from hpcadmm.training.setup import needs_classes

FACTS = "samples.json"
DENSE = Keeping(streams=False, sparse=False, who="data samples")


def write_samples(job: Job, folder: Path) -> dict[str, Any]:
    """Write x_train.npy, x_test.npy (samples, features), y_train.npy, y_test.npy (classes, or targets), and with
    data.weight weight_train.npy, in the precision of the job's arrays; then samples.json. Returns the shapes of x."""
    found = job.data.load(
        job.head.seed,
        World.alone(),
        np.dtype(dtype(job)),
        ones=False,
        keeping=DENSE,
        training=True,
        classes=needs_classes(job),
    )
    shapes = {}
    with spoken(f"write the samples to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FACTS).unlink(missing_ok=True)
        for name, part in (("train", found.train), ("test", found.test)):
            np.save(folder / f"x_{name}.npy", part.x.T)
            np.save(folder / f"y_{name}.npy", part.labels.T)
            if part.weight is not None:
                np.save(folder / f"weight_{name}.npy", part.weight)
            shapes[name] = list(part.x.T.shape)
        write_text(folder / FACTS, facts(job))
    return shapes


def dtype(job: Job) -> str:
    """The type of the job's arrays."""
    return np.dtype(PRECISIONS[job.head.precision]).name


def facts(job: Job) -> str:
    """All that the samples depend on, but not the files of the dataset."""
    tables = job.resolved()
    kept = {key: tables[key] for key in ("data", "loss", "seed")} | {"dtype": dtype(job)}
    return json.dumps(kept, indent=1, sort_keys=True) + "\n"


def written(job: Job, folder: Path) -> bool:
    """Does the folder hold the samples of this job?"""
    path = folder / FACTS
    return path.exists() and path.read_text(encoding="utf-8") == facts(job)
