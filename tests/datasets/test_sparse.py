"""Sparse samples stay sparse in memory, and train as dense ones do."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.disk.share import Section
from hpcadmm.datasets.tabular.pairs import parsed
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.model.inputs import dense, engine_of_arrays, product
from hpcadmm.model.sparse import Sparse
from hpcadmm.solvers import SOLVERS as ALL
from hpcadmm.solvers.workers import local
from hpcadmm.testing.problems import stepped
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.measure import measure
from hpcadmm.training.setup import set_up

ROWS, FEATURES = 301, 60
JOB = """
name = "sparse"
[data]
name = "libsvm"
path = "{path}"
{scale}
[network]
hidden = {hidden}
[loss]
name = "cross-entropy"
[solver]
name = "{solver}"
"""
SOLVERS = {
    "adam": ["solver.batch=60", "solver.cut=3", "data.weight=balanced"],
    "sgd": ["solver.batch=0"],
    "muon": ["solver.ends=muon"],
    "lbfgs": ["data.weight=balanced"],
    "cg": [],
    "taylor": ["data.weight=balanced"],
    "dladmm": ["data.weight=balanced"],
    "pdadmm": ["data.weight=balanced"],
    "mpadmm": ["data.weight=balanced", "solver.batch=60", "solver.workers=3", "solver.local_steps=2"],
}


def file(folder: Path, density: float = 0.05, noise: float = 0.0) -> str:
    """Some entries a row, some rows without any, and a feature that no row has."""
    random = np.random.default_rng(1)
    x = random.standard_normal((ROWS, FEATURES)) * (random.random((ROWS, FEATURES)) < density) * 3
    x[:, 11], x[7] = 0, 0
    rows = [" ".join(f"{k + 1}:{v!r}" for k, v in enumerate(row.tolist()) if v) for row in x]
    score = x.sum(axis=1) + noise * random.standard_normal(ROWS)
    lines = [f"{'+1' if one > 0 else '-1'} {text}\n" for one, text in zip(score, rows, strict=True)]
    (folder / "a.svm").write_text("".join(lines))
    return str(folder / "a.svm")


def loaded(path: str, world: World, dtype: Any = np.float64, **options: Any) -> Any:
    return DATASETS["libsvm"](path=path, **options).load(0, world, dtype, ones=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"scale": "max"}, {"features": 90, "shuffle": False}, {"first": 100}])
def test_sparse_samples_are_the_dense_ones(dtype: Any, options: dict[str, Any], tmp_path: Path) -> None:
    path = file(tmp_path)
    dense = loaded(path, World.alone(), dtype, sparse=False, **options)
    alone = loaded(path, World.alone(), dtype, **options)
    found = on_ranks(2, lambda w: loaded(path, w, dtype, **options))
    for several in ([alone], found):
        for part in ("train", "test"):
            x = np.concatenate([getattr(one, part).x.matrix.toarray() for one in several], axis=1)
            y = np.concatenate([getattr(one, part).labels for one in several])
            np.testing.assert_array_equal(x, getattr(dense, part).x)
            np.testing.assert_array_equal(y, getattr(dense, part).labels)
        assert all(one.transform.record() == dense.transform.record() for one in several)
        assert all(one.warnings == dense.warnings for one in several)
    assert {one.digest for one in found} == {alone.digest}


def trained(path: str, solver: str, hidden: str, world: World, *more: str) -> tuple[Any, dict[str, Any], Any]:
    job = parse(
        JOB.format(path=path, solver=solver, hidden=hidden, scale='scale = "max"'),
        [*SOLVERS.get(solver, ["solver.workers=3"]), *more],
    )
    setup = set_up(job, world)
    one, problem, world = job.solver, setup.problem, setup.world
    state = stepped(one, problem, world, 5)
    row = measure(one, state, problem, world)
    return [W.copy() for W in one.weights(state, world)[1:]], row, type(problem.x)


def near(row: dict[str, Any]) -> dict[str, Any]:
    """The same numbers but for the last digits."""
    return {key: pytest.approx(value, rel=1e-10) for key, value in row.items()}


@pytest.mark.parametrize("hidden", ["[]", "[8]"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_sparse_training_is_dense_training(solver: str, hidden: str, tmp_path: Path) -> None:
    path = file(tmp_path)
    weights, row, kind = trained(path, solver, hidden, World.alone(), "data.sparse=false")
    assert kind is np.ndarray
    one = trained(path, solver, hidden, World.alone())
    several = on_ranks(2, lambda w: trained(path, solver, hidden, w))
    assert one[2] is Sparse
    for mine, theirs in zip(one[0], weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12 * np.abs(theirs).max())
    assert one[1] == near(row)
    for rank in several:
        for mine, theirs in zip(rank[0], one[0], strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("solver", SOLVERS)
def test_sparse_training_in_bfloat16(solver: str, tmp_path: Path) -> None:
    """Few samples and steps of second order magnify what is rounded."""
    path = file(tmp_path)
    _, row, _ = trained(path, solver, "[40, 40]", World.alone(), "precision=float32")
    one = trained(path, solver, "[40, 40]", World.alone(), "precision=bfloat16")
    several = on_ranks(2, lambda w: trained(path, solver, "[40, 40]", w, "precision=bfloat16"))
    assert one[2] is Sparse
    assert 0 < abs(one[1]["objective"] / row["objective"] - 1) < 0.2
    for rank in several:
        for mine, theirs in zip(rank[0], one[0], strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("solver", "hidden", "more"),
    [
        ("gd", "[]", ["data.weight=balanced", "solver.rate=lipschitz"]),
        ("qgd", "[]", ["data.task=regression", "loss.name=squared", "solver.rate=lipschitz"]),
        ("gd", "[8]", []),
        ("qgd", "[8]", ["solver.bits=8"]),
    ],
)
def test_workers_around_a_server_need_no_dense_samples(
    solver: str, hidden: str, more: list[str], tmp_path: Path
) -> None:
    """Neither does the rate or the optimum; a rank holds two workers, another one."""
    path = file(tmp_path, noise=3.0)  # classes that cannot be separated
    weights, row, _ = trained(path, solver, hidden, World.alone(), "data.sparse=false", *more)
    one = trained(path, solver, hidden, World.alone(), *more)
    several = on_ranks(2, lambda w: trained(path, solver, hidden, w, *more))
    assert {kind for *_, kind in (one, *several)} == {Sparse}
    for mine, theirs in zip(one[0], weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12 * np.abs(theirs).max())
    assert ("mean_error" in row) == (hidden == "[]")
    assert one[1] == near(row)
    for rank in several:
        assert all((w == v).all() for w, v in zip(rank[0], one[0], strict=True))
        assert rank[1] == one[1]


SQUARED = ["data.task=regression", "loss.name=squared"]
EXACT = ["gadmm", "qgadmm", "consensus"]


def compared(path: str, solver: str, hidden: str, *more: str) -> tuple[list[Any], dict[str, Any], list[Any], Any]:
    """Weights and metrics from sparse samples, the same on one and two ranks, and those from dense ones."""
    dense, row, _ = trained(path, solver, hidden, World.alone(), "data.sparse=false", *more)
    one = trained(path, solver, hidden, World.alone(), *more)
    several = on_ranks(2, lambda w: trained(path, solver, hidden, w, *more))
    assert {kind for *_, kind in (one, *several)} == {Sparse}
    for rank in several:
        assert all((w == v).all() for w, v in zip(rank[0], one[0], strict=True))
        assert rank[1] == one[1]
    return one[0], one[1], dense, row


@pytest.mark.parametrize("weight", [[], ["data.weight=balanced"]])
@pytest.mark.parametrize("solver", EXACT)
def test_least_squares_of_workers_have_the_bits_of_dense_samples(
    solver: str, weight: list[str], tmp_path: Path
) -> None:
    more = SQUARED if not weight else [*weight, "loss.name=squared"]
    mine, row, theirs, dense = compared(file(tmp_path, noise=3.0), solver, "[]", *more)
    assert all((w == v).all() for w, v in zip(mine, theirs, strict=True))
    assert row == near(dense)
    assert row["objective_error"] == dense["objective_error"]


@pytest.mark.parametrize("solver", EXACT)
def test_least_squares_of_many_features_are_not_factored(
    solver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "FACTORED", 10)
    mine, row, theirs, dense = compared(file(tmp_path, noise=3.0), solver, "[]", *SQUARED, "solver.rho=30")
    for w, v in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(w, v, rtol=0, atol=1e-11 * np.abs(v).max())
    assert row["objective"] == pytest.approx(dense["objective"], rel=1e-11)


@pytest.mark.parametrize(
    ("solver", "hidden", "more"),
    [
        ("consensus", "[]", []),
        ("gadmm", "[]", ["data.weight=balanced"]),
        ("gadmm", "[8]", []),
        ("gadmm", "[]", ["solver.local=adam"]),
        ("qgadmm", "[8]", ["solver.bits=16", "data.weight=balanced"]),
        ("pdadmm", "[8]", ["solver.update=exact"]),
    ],
)
def test_no_dense_samples_are_needed(solver: str, hidden: str, more: list[str], tmp_path: Path) -> None:
    mine, row, theirs, dense = compared(file(tmp_path, noise=3.0), solver, hidden, *more)
    for w, v in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(w, v, rtol=0, atol=1e-9 * np.abs(v).max())
    assert row["objective"] == pytest.approx(dense["objective"], rel=1e-9)


@pytest.fixture
def dense_dladmm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No solver needs dense samples, but a new one may."""
    monkeypatch.setattr(ALL["dladmm"], "sparse", False)


@pytest.mark.usefixtures("dense_dladmm")
def test_a_dense_file_becomes_dense_and_a_solver_may_need_it(tmp_path: Path) -> None:
    path = file(tmp_path, density=0.5)
    assert isinstance(loaded(path, World.alone()).train.x, np.ndarray)
    assert isinstance(loaded(path, World.alone(), sparse=True, scale="none").train.x, Sparse)
    job = JOB.format(path=file(tmp_path), solver="dladmm", hidden="[4]", scale="")
    assert isinstance(set_up(parse(job), World.alone()).problem.x, np.ndarray)
    with pytest.raises(UsageError, match=r"data.sparse = true: dladmm needs dense .*: taylor, .*qgd, .*adam, .*lbfgs"):
        set_up(parse(job, ["data.sparse=true"]), World.alone())
    with pytest.raises(UsageError, match=r"data.sparse = true: the scaling shifts the features"):
        loaded(path, World.alone(), sparse=True, standardise=True)


@pytest.mark.usefixtures("dense_dladmm")
def test_news_fit_where_dense_samples_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    lines = [
        f"{row % 3} " + " ".join(f"{i}:1" for i in np.unique(random.integers(1, 100_001, 20))) for row in range(600)
    ]
    (tmp_path / "a.svm").write_text("\n".join([*lines, "0 100000:1"]))
    monkeypatch.setattr("hpcadmm.comm.memory.available", lambda: 1e8)
    job = JOB.format(path=tmp_path / "a.svm", solver="adam", hidden="[]", scale="")
    setup = set_up(parse(job), World.alone())
    assert setup.problem.x.shape == (100_001, 480)
    assert setup.problem.x.nbytes < 480 * 22 * 20
    with pytest.raises(UsageError, match=r"memory: .* or a solver that keeps them sparse: taylor, "):
        set_up(parse(job, ["solver.name=dladmm"]), World.alone())
    with pytest.raises(UsageError, match=r"a matrix of 100001 x 100001 inputs 640 GB per rank\); use a solver that"):
        set_up(parse(job, ["solver.name=taylor"]), World.alone())
    few = [*SQUARED, "solver.name=consensus", "data.sparse=false", "data.first=10", "data.first_test=1"]
    with pytest.raises(UsageError, match=r"factors of 100001 features for 10 workers .* keep a LIBSVM file sparse"):
        set_up(parse(job, few), World.alone())


def test_a_value_too_large_names_its_row(tmp_path: Path) -> None:
    (tmp_path / "a.svm").write_text("".join(f"{k % 2} {k % 40 + 1}:{'1e300' if k == 77 else 2}\n" for k in range(100)))
    with pytest.raises(UsageError, match=r"row 78, column 38 \(counted from 1\): 1e\+300 is too large for float32"):
        loaded(str(tmp_path / "a.svm"), World.alone(), np.float32)


def test_products() -> None:
    rows, m = 9, 7
    random = np.random.default_rng(0)
    x = np.asfortranarray(random.standard_normal((rows, m)) * (random.random((rows, m)) < 0.3))
    starts = np.concatenate([[0], np.cumsum((x != 0).sum(axis=0))])
    column, row = np.nonzero(x.T)
    sparse = Sparse.of(x[row, column], row.astype(np.int32), starts, rows)
    W, lam = (np.asfortranarray(random.standard_normal(shape)) for shape in ((4, rows), (4, m)))
    out, back = (np.zeros(shape, order="F") for shape in ((4, m), (4, rows)))
    products = engine_of_arrays(sparse)
    np.testing.assert_allclose(products.apply(W, sparse, out), W @ x, rtol=1e-13)
    np.testing.assert_array_equal(product(W, sparse, np.zeros_like(out)), out)
    np.testing.assert_allclose(products.outer(lam, sparse, back), lam @ x.T, rtol=1e-13, atol=1e-13)
    square = np.zeros((rows, rows), order="F")
    np.testing.assert_allclose(products.gram(sparse, square), x @ x.T, rtol=1e-13, atol=1e-13)
    w = random.random(m)
    np.testing.assert_array_equal((sparse * w).dense(), x * w)
    np.testing.assert_array_equal(dense(x), dense(sparse))
    np.testing.assert_array_equal(sparse[:, 2:5].matrix.toarray(), x[:, 2:5])
    chosen = np.array([6, 0, 3])
    np.testing.assert_array_equal(sparse.taken(chosen, list).matrix.toarray(), x[:, chosen])
    for initial in (0.0, np.inf, -np.inf):
        np.testing.assert_array_equal(sparse.min(1, initial), x.min(axis=1, initial=initial))
        np.testing.assert_array_equal(sparse.max(1, initial), x.max(axis=1, initial=initial))


@pytest.mark.parametrize("line", ["1 2:3 4", "1 +2:3", "1 2:x", "1,2 3:4", "3:4 5:6", "1 -1:4", "1 2: 3", "1 2:+-3"])
def test_what_the_fast_reader_leaves_to_the_careful_one(line: str) -> None:
    assert parsed(["-1 1:2 3:4e-1", line]) is None


@pytest.mark.parametrize("density", [0.05, 0.6])
@pytest.mark.parametrize("how", ["plain", "packed", "carriage returns", "no end", "tiny"])
def test_ranks_share_the_lines(how: str, density: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(file(tmp_path, density))
    text = path.read_bytes()
    if how == "tiny":
        text = b"".join(text.splitlines(keepends=True)[:2]) + b"1 3:2\n-1 1:1\n"
    new = {"carriage returns": text.replace(b"\n", b"\r"), "no end": text[:-1], "packed": gzip.compress(text)}
    path.write_bytes(new.get(how, text))
    read: list[int] = []
    monkeypatch.setattr(Section, "read", counting(read, Section.read))
    alone = loaded(str(path), World.alone(), scale="none", split=1.0)
    several = on_ranks(3, lambda w: loaded(str(path), w, scale="none", split=1.0))
    assert {one.digest for one in several} == {alone.digest}
    assert sum(read) == len(text) - (how == "no end")


def counting(read: list[int], of: Any) -> Any:
    def counted(self: Any, count: int) -> bytes:
        data = of(self, count)
        read.append(len(data))
        return data

    return counted


def test_a_fault_has_its_row_on_all_ranks(tmp_path: Path) -> None:
    path = Path(file(tmp_path))
    path.write_text(path.read_text() + "# a comment\n1 3:x\n")

    def said(world: World) -> str:
        with pytest.raises(UsageError) as caught:
            loaded(str(path), world)
        return str(caught.value)

    messages = {*on_ranks(3, said), said(World.alone())}
    assert len(messages) == 1
    assert f"a.svm: row {ROWS + 1}: '3:x' is not index:value" in messages.pop()
