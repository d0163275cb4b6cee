"""The floor of bench: which products an iteration needs, of what shape, tiles and memory order."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.model.tiles import Tiles
from hpcadmm.products import engine_of
from hpcadmm.solvers import SOLVERS, PdAdmm, Taylor
from hpcadmm.solvers.shared.floor import Floor, Product, RoundedProduct
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.testing.problems import floor_of, posed, problem, shared
from hpcadmm.testing.threads import on_ranks

TILES = Tiles(130, 64)


def made(*gemms, tiles=TILES, columns=130, calls=3, dtype=np.float64, inverses=()):
    bill = Bill(columns, calls, np.dtype(dtype).itemsize)
    for kind, rows, inner, name in gemms:
        bill.gemm(1, kind, rows, inner, name=name)
    for n, name in inverses:
        bill.dense(1, "inverse", n, name=name)
    return Floor(tiles, dtype).of(bill)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("kind", "flops"), [("apply", 2 * 3 * 5), ("pull", 2 * 3 * 5), ("outer", 2 * 3 * 5), ("gram", 3 * 4)]
)
def test_a_product_has_the_shapes_and_the_memory_order_of_the_real_one(kind, flops, dtype):
    (product,) = made((kind, 3, 3 if kind == "gram" else 5, "x"), dtype=dtype).values()
    assert product.flops == flops * 130
    assert product.tiles == [t for _, t in TILES]
    assert {product.left.dtype, product.right.dtype} == {np.dtype(dtype)}
    assert product.right.flags.f_contiguous
    assert product.left.flags.c_contiguous is (kind == "pull")
    pairs = list(product.factors())
    if kind in ("outer", "gram"):
        found, expected = sum(A @ B for A, B in pairs), product.left @ product.right.T
    else:
        found, expected = np.hstack([A @ B for A, B in pairs]), product.left @ product.right
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert np.unique(product.right).size > 100, "random, so that no product is a special case"
    product()
    last = pairs[-1][0] @ pairs[-1][1]
    np.testing.assert_array_equal(product.results("product", *last.shape), last)


@pytest.mark.parametrize(
    ("kind", "rows", "inner"), [("apply", 40, 50), ("pull", 50, 40), ("outer", 40, 50), ("gram", 40, 40)]
)
def test_a_rounded_product_is_that_of_the_arrays(kind, rows, inner):
    """Of the last tile."""
    bill = Bill(130, 3, 4)
    bill.gemm(1, kind, rows, inner, name="x")
    exact, rounded = (
        Floor(TILES, np.float32, engine_of(precision)).of(bill)["x"] for precision in ("float32", "bfloat16")
    )
    assert (type(exact), type(rounded)) == (Product, RoundedProduct)
    assert exact.flops == rounded.flops
    for product in (exact, rounded, rounded):
        product()
    key = next(iter(rounded.results._arrays))[1:]
    difference = np.tril(rounded.results("product", *key) - exact.results("product", *key))
    assert 0 < np.linalg.norm(difference) < 0.01 * np.linalg.norm(exact.results("product", *key))


def test_small_products_are_not_rounded():
    bill = Bill(130, 3, 4)
    bill.gemm(1, "apply", 3, 50, name="x")
    assert isinstance(Floor(TILES, np.float32, engine_of("bfloat16")).of(bill)["x"], Product)


def test_a_symmetric_product_has_one_operand():
    """By which numpy knows that it may compute one triangle."""
    (product,) = made(("gram", 4, 4, "a a^T")).values()
    assert product.left is product.right


def test_the_products_of_a_layer_share_memory_as_large_as_their_largest_operands():
    found = made(("apply", 9, 4, "a"), ("outer", 3, 6, "b"), ("pull", 4, 9, "c"), ("gram", 9, 9, "d"))
    assert np.shares_memory(found["a"].right, found["d"].left)
    assert np.shares_memory(found["b"].left, found["c"].right)
    assert not np.shares_memory(found["b"].left, found["b"].right), "numpy would compute a triangle"
    arrays = [array for product in found.values() for array in (product.left, product.right)]
    bases = {id(array.base): array.base.size for array in arrays}
    assert sorted(bases.values()) == [36, 9 * 130, 9 * 130]


@pytest.mark.parametrize("kind", ["apply", "pull", "outer", "gram"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("most", [90 * 40 * 4, 1])
def test_a_large_product_does_the_same_work_in_less_memory(kind, precision, most):
    """The floor of a job that nearly fills the memory fits, too."""
    tiles, bill = Tiles(330, 32), Bill(330, 11, 4)
    bill.gemm(1, kind, 40, 40, name="x")
    few, whole = (Floor(tiles, np.float32, engine_of(precision), *limit) for limit in ([most], []))
    small, large = few.of(bill)["x"], whole.of(bill)["x"]
    assert widths(small) == widths(large) == [32] * 10 + [10]
    assert small.flops == large.flops
    held, all_columns = few._flat[f"{'z' if kind == 'pull' else 'a'}1"].size // 40, 330
    assert 32 <= held <= 90 < all_columns
    small()


def widths(product):
    """Of the tiles, which lie within the arrays."""
    if isinstance(product, RoundedProduct):
        return [x.shape[x.shape[0] == 40] for x in product.right]
    assert all(t.stop <= product.right.shape[1] for t in product.tiles)
    return [t.stop - t.start for t in product.tiles]


def test_a_floor_follows_the_bills_of_different_iterations():
    floor = Floor(TILES, np.float64)
    small, large = Bill(130, 3, 8), Bill(130, 3, 8)
    small.gemm(1, "apply", 3, 5, name="W a")
    large.gemm(1, "apply", 3, 5, name="W a")
    large.gemm(2, "apply", 30, 50, name="V b")
    large.dense(2, "inverse", 4, name="M^-1")
    assert list(floor.of(small)) == ["W a"]
    again = floor.of(large)
    assert list(again) == ["W a", "V b", "M^-1"]
    assert floor.of(large)["V b"] is again["V b"], "no operand is made twice"
    assert list(floor.of(small)) == ["W a"]
    for product in again.values():
        product()


def test_products_without_a_name_or_of_the_same_name_are_told_apart():
    assert list(made(("apply", 3, 5, ""), ("outer", 3, 5, "x"), ("outer", 3, 5, "x"))) == ["apply 1", "x", "x (2)"]


def test_a_minibatch_is_cut_into_equal_parts():
    (product,) = made(("apply", 3, 5, "x"), columns=49.9, calls=4).values()
    assert [B.shape[1] for _, B in product.factors()] == [12, 13, 12, 13]


def test_a_rank_without_samples_computes_nothing():
    (product,) = made(("apply", 3, 5, "x"), tiles=Tiles(130, 64, 9, 0), columns=0, calls=0).values()
    product()
    assert product.flops == 0


def test_an_inverse_costs_its_factor_too():
    (inverse,) = made(inverses=[(5, "M^-1")]).values()
    inverse()
    assert inverse.flops == 125
    np.testing.assert_allclose(inverse.out, np.eye(5) / 2)


def floor(hidden, **options):
    world = World.alone()
    p = problem(world, hidden, **options)
    return floor_of(Taylor(), p, world), p


@pytest.mark.parametrize(
    ("hidden", "names"),
    [
        ((), {"W1 a0", "z1 a0^T"}),
        ((5,), {"W1 a0", "z1 a0^T", "W2 h1", "P1 e1", "W2 a1", "z2 a1^T", "a1 a1^T"}),
        ((2,), {"W1 a0", "z1 a0^T", "W2^T z2", "G1 s1", "W2 a1", "z2 a1^T", "a1 a1^T"}),
    ],
)
def test_the_products_of_taylor(hidden, names):
    assert set(floor(hidden)[0]) == names


def test_the_cheaper_form_of_the_a_step_is_the_one_counted():
    products, p = floor((9, 4, 6))
    assert {"W2 h1", "P1 e1", "W3^T z3", "G2 s2", "W4 h3", "P3 e3"} < set(products)
    assert products["P1 e1"].flops == 2 * 9 * 4 * p.tiles.n
    assert products["G2 s2"].flops == 2 * 4 * 4 * p.tiles.n
    assert products["z2 a1^T"].flops == 2 * 4 * 10 * p.tiles.n
    assert products["a1 a1^T"].flops == 10 * 11 * p.tiles.n  # one triangle


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_rank_counts_its_own_columns_and_layers(name, size):
    solver = shared(name)

    def work(world):
        p, world = posed(solver, world, (5,), samples=300)
        products = floor_of(solver, p, world)
        for product in products.values():
            product()
        return {name: product.flops for name, product in products.items()}

    (whole,), parts = on_ranks(1, work), on_ranks(size, work)
    if solver.grid_of(2, size) != (1, size):
        assert all(set(part) < set(whole) for part in parts)
    for name, flops in whole.items():
        shares = [part.get(name, 0) for part in parts]
        divided = sum(shares) == pytest.approx(flops, rel=1e-12)
        assert divided or set(shares) == {flops}, f"{name} is neither divided nor repeated on every rank"


@pytest.mark.parametrize("update", ["quadratic", "backtracking", "exact"])
@pytest.mark.parametrize("wide", [3, 9])
def test_the_products_of_pdadmm(update, wide):
    """Quadratic: two W-sized products in the first layer, four above; exact: by Gram matrices and the cheaper form."""
    world, solver = World.alone(), PdAdmm(update=update)
    p = problem(world, (4, wide), features=6, classes=3)
    products = floor_of(solver, p, world)
    m, n = p.tiles.n, p.network.n
    first, above = {"D1 p1", "z1 p1^T"}, set()
    if update == "exact":
        first, above = {"W1 p1", "p1 p1^T", "z1 p1^T"}, set()
        for l in (2, 3):
            above |= {f"W{l} p{l}", f"p{l} p{l}^T", f"z{l} p{l}^T"}
            above |= {f"W{l}^T z{l}", f"G{l} s{l}"} if n[l] >= n[l - 1] else {f"W{l} h{l}", f"P{l} e{l}"}
    else:
        for l in (2, 3):
            above |= {f"D{l} p{l}", f"z{l} p{l}^T", f"W{l}^T R{l}", f"W{l} g{l}"}
        flops = 2 * m * (2 * n[1] * n[0] + 4 * (n[2] * n[1] + n[3] * n[2]) + sum(n[1:]))  # with the bias in z p^T
        assert sum(product.flops for product in products.values()) == flops
    assert set(products) == first | above


@pytest.mark.parametrize("name", ["sgd", "adam", "cg", "lbfgs"])
@pytest.mark.parametrize("batch", [0, 48])
def test_the_products_of_a_gradient_are_those_of_a_pass_forward_and_back(name, batch):
    """Of one batch: W a and lam a^T of every layer, W^T lam of all but the first."""
    stochastic = name in ("sgd", "adam")
    world, solver = World.alone(), SOLVERS[name](**({"batch": batch, "cut": 4} if stochastic else {}))
    p, _ = posed(solver, world, (9, 4))
    products, n = floor_of(solver, p, world), p.network.n
    m = 150 / 4 if batch and stochastic else 150  # 4 batches an epoch
    above = {"W2^T lam2": 2 * m * n[2] * n[1], "W3^T lam3": 2 * m * n[3] * n[2]}
    every = {f"W{l} a{l - 1}": 2 * m * n[l] * (n[l - 1] + 1) for l in (1, 2, 3)}
    every |= {f"lam{l} a{l - 1}^T": 2 * m * n[l] * (n[l - 1] + 1) for l in (1, 2, 3)}
    assert {name: product.flops for name, product in products.items()} == pytest.approx(every | above, rel=0.02)
    widths = {B.shape[1] for A, B in products["W1 a0"].factors()}
    assert max(widths) - min(widths) <= 1 if batch and stochastic else max(widths) == 64
