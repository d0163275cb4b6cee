"""Several ranks: the same arrays count once, own rows are put together, and the bits are those of one rank."""

import hashlib
import sys

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

import hpcadmm
from hpcadmm.comm.world import World
from hpcadmm.datasets.formats.arrays import InMemory
from hpcadmm.datasets.formats.frames import in_memory
from hpcadmm.datasets.formats.held import hold
from hpcadmm.datasets.tabular.frame import rows_of
from hpcadmm.sklearn import ADMMLogisticRegression
from hpcadmm.testing.threads import on_ranks

EDGES = {1: [0, 101], 2: [0, 60, 101], 3: [0, 40, 40, 101], 4: [0, 30, 50, 70, 101]}  # a rank may have no rows
random = np.random.default_rng(8)
X = random.standard_normal((101, 4)) * (random.random((101, 4)) < 0.09)
COLOUR = random.choice(["red", "green", "blue"], 101)
TEXT, VALUE, WEIGHT = COLOUR.astype(object), X @ [1.0, 2.0, 3.0, 4.0], random.uniform(0, 3, 101)
SPARSE, TABLE = csr_array(X), pa.table({"a": X[:, 0], "colour": COLOUR})


def part(given, rank, size):
    rows = slice(*EDGES[size][rank : rank + 2])
    return given.slice(rows.start, rows.stop - rows.start) if isinstance(given, pa.Table) else given[rows]


def loaded(given, y, world, own, **options):
    """What a rank has of the data, its own rows or all."""
    samples = [part(one, world.rank, world.size) if own else one for one in (given, y, WEIGHT)]
    dataset = in_memory(InMemory(**options), *samples, world)
    return dataset.load(0, world, np.float64, ones=True, classes=y is TEXT)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("given", [X, SPARSE, TABLE], ids=["array", "sparse", "table"])
def test_any_ranks_load_the_same_columns(given, own, size):
    for y, options in (
        (TEXT, {"validation": 0.3, "order": "labels"}),
        (VALUE, {"scale": "max"}),
        (VALUE, {"scale": "none"}),
    ):
        whole = loaded(given, y, World.alone(), False, **options)
        found = on_ranks(size, lambda world, y=y, options=options: loaded(given, y, world, own, **options))
        for side in ("train", "test"):
            for field in ("x", "labels", "weight"):
                one = getattr(getattr(whole, side), field)
                every = [getattr(getattr(load, side), field) for load in found]
                assert {type(load) for load in every} == {type(one)}
                if not isinstance(one, np.ndarray):
                    one, every = one.matrix.toarray(), [load.matrix.toarray() for load in every]
                np.testing.assert_array_equal(np.concatenate(every, axis=-1), one)
        assert isinstance(whole.train.x, np.ndarray) != (given is SPARSE)
        assert {load.digest for load in found} == {whole.digest}
        assert whole.names == found[-1].names == (["blue", "green", "red"] if y is TEXT else None)


def test_a_table_that_all_ranks_give_is_dealt_to_them():
    rows = on_ranks(3, lambda world: [one.rows for one in rows_of(TABLE, {}, world).raw((), world).shards])
    assert rows == [[33], [34], [34]]


def test_ranks_that_differ_are_told_so():
    def differing(*kinds):
        def call(world):
            with pytest.raises(hpcadmm.UsageError, match=kinds[-1]):
                hold(*kinds[world.rank], world=world)

        on_ranks(2, call)

    differing((X, VALUE), (X[:, :2], VALUE), r"rank 0 \[4, .*rank 1 \[2, .*give all the same arrays")
    differing((X, VALUE), (X[:5], TEXT[:5]), "the ranks give different arrays")
    differing((X, VALUE), (X, VALUE[:5]), "must be")
    differing((X[:0], VALUE[:0]), (X[:0], TEXT[:0]), "X has no rows")


def test_tables_that_differ_are_told_so():
    def call(world):
        with pytest.raises(hpcadmm.UsageError, match=r"rank 0 a: double, .*; rank 1 a: double; give all the same"):
            rows_of(TABLE if world.first else TABLE.select(["a"]), {}, world)

    on_ranks(2, call)


PROGRAM = f"""
import hashlib, sys
import numpy as np, hpcadmm
sys.path.insert(0, {str(sys.path[0])!r})
from mpi4py import MPI
from hpcadmm.sklearn import ADMMClassifier, ADMMLogisticRegression
from tests.api.test_ranks import TEXT, VALUE, WEIGHT, X, part, trained

world = MPI.COMM_WORLD
own = [part(one, world.rank, world.size) for one in (X, TEXT, WEIGHT)]
found = trained(X, TEXT, WEIGHT)
assert trained(*own) == found
assert trained(X, TEXT, WEIGHT, comm=world.Split(world.rank % 2)) == found
fit = ADMMLogisticRegression(max_iter=20, tol=None)
coefficients = fit.fit(*own).coef_
ADMMClassifier((3,), max_iter=1).fit(*own)  # all ranks draw the same seed
class Bad(hpcadmm.Callback):
    def row(self, run, row):
        if world.rank == 1:
            raise KeyError("one rank only")
try:
    trained(X, TEXT, WEIGHT, callbacks=[Bad()])
except Exception as error:
    said = type(error).__name__
assert said == ("KeyError" if world.rank == 1 else "RankFailed"), said
try:
    hpcadmm.train({{}}, X, None if world.rank else TEXT)
except hpcadmm.UsageError as error:
    pass
if world.rank == 0:
    print(found, hashlib.sha256(coefficients.tobytes()).hexdigest())
"""


def trained(*arrays, **options):
    """The digest of the weights of a small network."""
    job = hpcadmm.Job.read(
        {"loss": {"name": "cross-entropy"}, "solver": {"name": "adam", "cut": 4}, "network": {"hidden": [6]}},
        stop={"iterations": 9}, evaluate={"every": 3}, data={"validation": 0.1},
    )  # fmt: skip
    X, y, weight = arrays
    return hpcadmm.train(job, X, y, weight=weight, **options).summary["weights_sha256"]


def test_a_program_under_mpirun_trains_the_same_network(mpirun):
    fitted = ADMMLogisticRegression(max_iter=20, tol=None).fit(X, TEXT, WEIGHT)
    expected = f"{trained(X, TEXT, WEIGHT)} {hashlib.sha256(fitted.coef_.tobytes()).hexdigest()}"
    assert mpirun(2, PROGRAM).check().stdout.strip() == expected


def test_importing_the_package_imports_nothing_else(spawn):
    heavy = ("numpy", "mpi4py", "h5py", "scipy", "numba", "pydantic", "sklearn", "click", "hpcadmm.api")
    spawn(0, "-c", f"import hpcadmm, sys; sys.exit([m for m in {heavy} if m in sys.modules] or 0)").check()
