"""Every penalty: its prox cannot be improved, its conjugate bounds it, and names choose its features."""

import numpy as np
import pytest

from hpcadmm.errors import UsageError
from hpcadmm.model.penalties import L1, L2, PENALTIES, Box, ElasticNet, Group, NoPenalty

NAMES = ["a", "b", "c", "d"]
ALL = [
    NoPenalty(), NoPenalty(nonnegative=True), L1(0.3), L1(0.3, nonnegative=True), L2(0.7), L2(0.7, nonnegative=True),
    ElasticNet(0.5, ratio=0.3), ElasticNet(0.5, nonnegative=True, ratio=0.8),
    Group(0.4), Group(0.4, [["a", "c"], ["d"]]),
    Box(lower=-0.5, upper=0.25), Box(lower={"a": 0.0}, upper={"c": 1.0}),
]  # fmt: skip
every = pytest.mark.parametrize("penalty", [one.bound(NAMES) for one in ALL], ids=[str(one) for one in ALL])
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def feasible(penalty, W):
    if penalty.name == "box":
        return bool(((penalty.bounds[0] <= W) & (penalty.bounds[1] >= W)).all())
    return bool((W >= 0).all()) if getattr(penalty, "nonnegative", False) else True


@every
@both
def test_the_prox_cannot_be_improved(penalty, dtype):
    random, t = np.random.default_rng(0), 0.8
    V = random.standard_normal((2, 4)).astype(dtype)
    W = penalty.prox(V, t)
    assert W.dtype == dtype
    assert feasible(penalty, W)

    def objective(X):
        return penalty.value(X) + float(np.square(X - V.astype(np.float64)).sum()) / (2 * t)

    best = objective(W)
    for size in 4.0 ** -np.arange(8):
        for _ in range(40):
            other = W + size * random.standard_normal(W.shape) * (random.random(W.shape) < 0.5)
            assert not feasible(penalty, other) or objective(other) >= best - 1e-6 * (1 + best)


@every
def test_the_conjugate_bounds_the_penalty(penalty):
    """<s G, W> - P(W) <= P*(s G), and where P is a norm s cannot be larger."""
    random = np.random.default_rng(1)
    for scale in (0.01, 1.0, 30.0):
        G = scale * random.standard_normal((2, 4))
        found = penalty.dual(G)
        if found is None:
            assert penalty.name in ("none", "box")
            continue
        s, conjugate = found
        for size in (0.0, 0.1, 1.0, 10.0):
            W = size * random.standard_normal(G.shape)
            W = penalty.prox(W, 1e-9) if not feasible(penalty, W) else W
            assert s * float((G * W).sum()) - penalty.value(W) <= conjugate + 1e-9 * (1 + conjugate)


@pytest.mark.parametrize("penalty", [L1(), ElasticNet(), Group(), Group(groups=[["a", "b", "c"]])], ids=str)
def test_the_largest_strength_is_the_least_that_leaves_nothing(penalty):
    G = np.random.default_rng(2).standard_normal((2, 4))
    penalty = penalty.bound(NAMES)
    largest = penalty.largest(G)
    assert not penalty.at(largest * (1 + 1e-9)).prox(G, 1.0).any()
    assert penalty.at(largest * (1 - 1e-6)).prox(G, 1.0).any()


def test_the_ends_of_the_elastic_net_are_the_lasso_and_ridge():
    V = np.random.default_rng(3).standard_normal((3, 4))
    for ratio, end in ((1.0, L1(0.2)), (0.0, L2(0.2))):
        one = ElasticNet(0.2, ratio=ratio)
        assert (one.prox(V, 0.5) == end.prox(V, 0.5)).all()
        assert one.value(V) == end.value(V)


@pytest.mark.parametrize(
    ("penalty", "said"),
    [
        (Group(groups=[["a", "z"]]), '"z" is no feature of the data'),
        (Group(groups=[["a"], ["a"]]), '"a" stands in two groups'),
        (Box(lower={"q": 1.0}), '"q" is no feature of the data'),
        (Box(lower=1.0, upper=0.0), "penalty.lower = 1 of a is above penalty.upper = 0"),
    ],
)
def test_faults_are_named(penalty, said):
    with pytest.raises(UsageError, match=said):
        penalty.bound(NAMES)


def test_the_registry_has_them_all():
    assert set(PENALTIES) == {one.name for one in ALL}
