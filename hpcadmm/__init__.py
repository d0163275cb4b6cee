"""Train multilayer perceptrons and linear models by ADMM on any number of MPI ranks.

The command line is `hpcadmm`. From Python, in a notebook or in a program of your own:

>>> import hpcadmm
>>> import numpy as np
>>> X = np.random.default_rng(0).normal(size=(300, 4))
>>> y = np.where(X[:, 0] * X[:, 1] > 0, "same", "different")

**A job** says what is trained and how. It is a job file, or the same tables as a dict. `Job.read` takes both,
and tables or keys that replace those of the file. jobs/README.md documents every key.

>>> job = hpcadmm.Job.read({
...     "network": {"hidden": [20]},
...     "loss": {"name": "cross-entropy"},
...     "solver": {"name": "mpadmm"},
... }, stop={"iterations": 60}, evaluate={"every": 20})
>>> print(job.to_toml())  # doctest: +ELLIPSIS
name = "job"
seed = 0
...

**Train** on arrays, on a file, or on the data that the job names. Here nothing is saved; `out="r1"` writes the run
folder that `hpcadmm show`, `plot`, `resume` and the other commands read. Labels may be text. Features are standardised
unless the job says otherwise (`data.standardise`), and predictions take them as they are.

>>> model = hpcadmm.train(job, X, y)
>>> model
<mpadmm 4-20-2, iteration 60>
>>> model.predict(X[:3]).tolist() == y[:3].tolist()
True
>>> model.predict_proba(X).shape, model.classes.tolist()
((300, 2), ['different', 'same'])
>>> model.evaluate(X, y)["accuracy"] > 0.95
True
>>> [W.shape for W, b in model.weights]
[(20, 4), (2, 20)]
>>> [row["iteration"] for row in model.metrics]  # for pandas.DataFrame(model.metrics)
[20, 40, 60]

**A run folder** gives the same: `hpcadmm.load("r1").predict(X)`, also for a run of the command line. Its X may be the
path of a file. `hpcadmm.resume("r1", X, y, stop={"iterations": 90})` continues it.

**On several ranks** every rank calls `train`: `mpirun -n 4 python -m mpi4py program.py`. If all give the same arrays,
they count once; else each rank gives its own rows. The weights do not depend on the number of ranks. `comm` takes a
communicator of mpi4py. In a notebook, without mpirun, it is one rank. `load(...)` and the methods of a model work in
each process by itself.

**Callbacks** hear of each measured iteration, checkpoint, and of the end:

>>> class Patient(hpcadmm.Callback):
...     def row(self, run, row):
...         return "good enough" if row["train_accuracy"] > 0.6 else None
>>> hpcadmm.train(job, X, y, callbacks=[Patient()]).summary["stop_reason"]
'good enough'

`hpcadmm.TensorBoard(folder)` (extra `tensorboard`) writes every number of a row as a scalar. In a job file it is
`log.to = "tensorboard"`.

**Several runs**: `hpcadmm.compare([job, other])` compares jobs, `hpcadmm.tune(job, {"solver.eta": "log:1:10"}, 8)`
searches for good values. Both start runs in processes of their own, so the jobs' data are files or datasets.

**scikit-learn**: `hpcadmm.sklearn` has estimators.

Wrong jobs and arrays raise `hpcadmm.UsageError`, whose message names what is wrong and the cure, on all ranks. What is
not named here is private and may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.5.0"
__all__ = ["Callback", "Diverged", "Interrupted", "Job", "TensorBoard", "UsageError", "compare", "load", "resume",
           "train", "tune"]  # fmt: skip

if TYPE_CHECKING:
    from hpcadmm.api.model import load
    from hpcadmm.api.studies import compare, tune
    from hpcadmm.api.train import resume, train
    from hpcadmm.errors import Diverged, Interrupted, UsageError
    from hpcadmm.job.job import Job
    from hpcadmm.training.callbacks import Callback
    from hpcadmm.training.tensorboard import TensorBoard

PLACES = {
    "api.model": ("load",),
    "api.studies": ("compare", "tune"),
    "api.train": ("resume", "train"),
    "errors": ("Diverged", "Interrupted", "UsageError"),
    "job.job": ("Job",),
    "training.callbacks": ("Callback",),
    "training.tensorboard": ("TensorBoard",),
}


def __getattr__(name: str) -> Any:
    """Import what is public when it is first used, so that `import hpcadmm` and the command's help stay quick."""
    place = next((place for place, names in PLACES.items() if name in names), None)
    if place is None:
        raise AttributeError(f"module 'hpcadmm' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"hpcadmm.{place}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
