"""The necessary products of an iteration: which, of what shape, and that they are what Taylor's sweep forms."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.solvers import SOLVERS, PdAdmm, Taylor
from hpcadmm.solvers.shared.products import Product
from tests.helpers.problems import posed, problem, shared, stepped
from tests.helpers.threads import on_ranks


def floor(hidden, **options):
    world = World.alone()
    p = problem(world, hidden, **options)
    state = stepped(Taylor(), p, world, 2)
    return Taylor().floor(state, p), state, p


@pytest.mark.parametrize(
    ("hidden", "names"),
    [
        ((), {"W1 a0", "z1 a0^T"}),
        ((5,), {"W1 a0", "z1 a0^T", "W2 h1", "P1 e1", "W2 a1", "z2 a1^T", "a1 a1^T"}),
        ((2,), {"W1 a0", "z1 a0^T", "W2^T z2", "G1 s1", "W2 a1", "z2 a1^T", "a1 a1^T"}),
    ],
)
def test_names(hidden, names):
    assert set(floor(hidden)[0]) == names


def test_the_cheaper_form_of_the_a_step_is_the_one_counted():
    products, _, p = floor((9, 4, 6))
    assert {"W2 h1", "P1 e1", "W3^T z3", "G2 s2", "W4 h3", "P3 e3"} < set(products)
    assert products["P1 e1"].flops == 2 * 9 * 4 * p.tiles.n
    assert products["G2 s2"].flops == 2 * 4 * 4 * p.tiles.n


def test_a_product_is_the_product_tile_by_tile():
    products, state, p = floor((9, 4))
    for name, left, right in (("W1 a0", state.W[1], state.a[0]), ("W3 a2", state.W[3], state.a[2])):
        tiles = [A @ B for A, B in products[name].factors()]
        np.testing.assert_allclose(np.hstack(tiles), left @ right, rtol=1e-12)
        assert products[name].flops == 2 * left.size * p.tiles.n
    sums = {"z2 a1^T": (state.z[2], state.a[1]), "a1 a1^T": (state.a[1], state.a[1]), "z1 a0^T": (state.z[1], p.x)}
    for name, (left, right) in sums.items():
        found = sum(A @ B for A, B in products[name].factors())
        np.testing.assert_allclose(found, left @ right.T, rtol=1e-10, atol=1e-10)
    assert products["z2 a1^T"].flops == 2 * 4 * 10 * p.tiles.n
    assert products["a1 a1^T"].flops == 10 * 11 * p.tiles.n  # one triangle


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_rank_counts_its_own_columns_and_layers(name, size):
    solver = shared(name)

    def work(world):
        p, world = posed(solver, world, (5,), samples=300)
        state = stepped(solver, p, world, 1)
        products = solver.floor(state, p)
        for product in products.values():
            product()
        return {name: product.flops for name, product in products.items()}

    (whole,), parts = on_ranks(1, work), on_ranks(size, work)
    if solver.grid_of(2, size) != (1, size):
        assert all(set(part) < set(whole) for part in parts)
    for name, flops in whole.items():
        shares = [part.get(name, 0) for part in parts]
        assert sum(shares) == flops or set(shares) == {flops}, f"{name} is neither divided nor repeated on every rank"


@pytest.mark.parametrize("update", ["quadratic", "backtracking", "exact"])
@pytest.mark.parametrize("wide", [3, 9])
def test_the_products_of_pdadmm(update, wide):
    """Quadratic: two W-sized products in the first layer, four above; exact: by Gram matrices and the cheaper form."""
    world, solver = World.alone(), PdAdmm(update=update)
    p = problem(world, (4, wide), features=6, classes=3)
    products = solver.floor(stepped(solver, p, world, 1), p)
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
        flops = 2 * m * (2 * n[1] * n[0] + 4 * (n[2] * n[1] + n[3] * n[2]))
        assert sum(product.flops for product in products.values()) == flops
    assert set(products) == first | above


def test_a_call_writes_the_result_of_the_last_tile():
    """So that what is timed is what is meant."""
    world = World.alone()
    p = problem(world, samples=100)
    left = np.asfortranarray(np.random.default_rng(0).standard_normal((4, p.x.shape[0])))
    product = Product(left, p.x, p.tiles)
    product()
    assert (product.scratch("product", 4, 36) == left @ p.x[:, 64:]).all()


@pytest.mark.parametrize("name", ["sgd", "adam", "cg", "lbfgs"])
@pytest.mark.parametrize("batch", [0, 48])
def test_the_products_of_a_gradient_are_those_of_a_pass_forward_and_back(name, batch):
    """Of one batch: W a and lam a^T of every layer, W^T lam of all but the first."""
    world, solver = World.alone(), SOLVERS[name]()
    if hasattr(solver, "batch"):
        solver = type(solver)(batch=batch, cut=4)
    p, _ = posed(solver, world, (9, 4))
    state = stepped(solver, p, world, 1)
    products, n = solver.floor(state, p), p.network.n
    m = sum(map(len, state.work.batches.columns(0))) if getattr(solver, "batch", 0) else p.tiles.n
    above = {"W2^T lam2": 2 * m * n[2] * n[1], "W3^T lam3": 2 * m * n[3] * n[2]}
    every = {f"W{l} a{l - 1}": 2 * m * n[l] * (n[l - 1] + 1) for l in (1, 2, 3)}
    every |= {f"lam{l} a{l - 1}^T": 2 * m * n[l] * (n[l - 1] + 1) for l in (1, 2, 3)}
    assert {name: product.flops for name, product in products.items()} == every | above
    widths = {B.shape[1] for A, B in products["W1 a0"].factors()}
    passes = state.work.sums.passes
    assert max(widths) - min(widths) <= 1 if getattr(solver, "batch", 0) else max(widths) == 64
    assert passes.a[0].shape[1] in widths
