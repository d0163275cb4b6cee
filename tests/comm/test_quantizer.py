"""The quantizer of Q-GADMM: the mean is right, the error has a bound, both ends agree to the bit, bytes are counted."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hpcadmm.comm.wire.quantizer import decode, encode, message_bytes, payload_bits, radius

both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)
some_bits = st.integers(1, 32)
shapes = st.tuples(st.integers(0, 5), st.integers(0, 40))
powers = st.sampled_from([0, -8, -40, -148, -160, 30, 100])  # the last but one of the small ones: R rounds up to 2^-149
Z = 5  # so many standard errors off the mean: never seen in these draws


def drawn(seed, shape, dtype, power=0):
    """theta, known and uniform numbers; some entries are known already, some numbers are 0."""
    random = np.random.default_rng(seed)
    theta, known = (random.standard_normal((2, *shape)) * 2.0**power).astype(dtype)
    known[:, ::5] = theta[:, ::5]
    uniform = random.random(shape)
    uniform[uniform < 0.1] = 0
    return theta, known, uniform


def reach(theta, known):
    """R of one vector, the smallest float32 that is not below max |theta - known|."""
    exact = abs(theta.astype(float) - known).max(initial=0)
    with np.errstate(over="ignore"):
        R = np.float32(exact)
    return np.nextafter(R, np.float32(np.inf)) if exact > R else R


def scaled(theta, known, R, bits):
    """c = (theta - known + R) / Delta, and Delta."""
    delta = 2.0 * float(R) / (2**bits - 1)
    return (theta.astype(float) - known + float(R)) / delta, delta


def plain(theta, known, bits, uniform):
    """One message and what is known after it, by the formulas and numpy."""
    R = reach(theta, known)
    q, agreed = np.zeros(theta.size, np.int64), known.copy()
    if R > 0:
        c, delta = scaled(theta, known, R, bits)
        assert_in_range(c, bits)
        q = np.minimum(np.floor(c) + (uniform < c - np.floor(c)), 2**bits - 1).astype(np.int64)
        agreed = (known + (delta * q - float(R))).astype(known.dtype)
    stream = (q[:, None] >> np.arange(bits)) & 1
    codes = np.packbits(stream.astype(np.uint8).ravel(), bitorder="little").tobytes()
    return R.astype("<f4").tobytes() + np.uint32(bits).astype("<u4").tobytes() + codes, agreed


def assert_in_range(c, bits):
    """0 <= c <= 2^b - 1, but for the rounding of c itself."""
    assert c.min(initial=0) >= 0
    assert c.max(initial=0) <= (2**bits - 1) * (1 + 1e-15)


@both
@given(seed=seeds, shape=shapes, bits=st.lists(some_bits, min_size=5, max_size=5), power=powers)
@example(seed=0, shape=(3, 5000), bits=[3, 8, 32, 1, 1], power=0)
@example(seed=1, shape=(3, 2049), bits=[1, 31, 16, 1, 1], power=0)
def test_messages_are_what_the_formulas_give_and_both_ends_hold_the_same_bits(dtype, seed, shape, bits, power):
    theta, known, uniform = drawn(seed, shape, dtype, power)
    before, sent, bits = known.copy(), theta.tobytes(), np.array(bits[: shape[0]], int)
    messages = encode(theta, known, bits, uniform)
    assert theta.tobytes() == sent
    assert len(messages) == shape[0]
    for n, message in enumerate(messages):
        expected, agreed = plain(theta[n], before[n], int(bits[n]), uniform[n])
        assert message.tobytes() == expected
        receiver = before[n].copy()
        decode(message, receiver)
        assert known[n].tobytes() == receiver.tobytes() == agreed.tobytes()


@both
@given(seed=seeds, shape=shapes, bits=some_bits, power=powers)
def test_the_error_is_at_most_a_step(dtype, seed, shape, bits, power):
    theta, known, uniform = drawn(seed, shape, dtype, power)
    R = radius(theta, known)
    rounding = np.finfo(dtype).eps * (abs(theta) + abs(known)) + np.finfo(dtype).smallest_subnormal
    assert R.tobytes() == np.array([reach(*pair) for pair in zip(theta, known, strict=True)], np.float32).tobytes()
    encode(theta, known, bits, uniform)
    step = 2 * R.astype(float) / (2**bits - 1)
    assert (abs(known.astype(float) - theta) <= (1 + 1e-9) * step[:, None] + rounding).all()


@given(seed=seeds, bits=some_bits, n=st.integers(1, 50))
def test_over_all_uniform_numbers_the_mean_is_theta(seed, bits, n):
    """With (i + 1/2) / n for i < n, the mean is off by half a step / n at most: each p is so many of them."""
    theta, known, _ = drawn(seed, (1, 7), np.float64)
    step = 2 * float(radius(theta, known)[0]) / (2**bits - 1)
    many, uniform = np.repeat(theta, n, axis=0), np.repeat((np.arange(n)[:, None] + 0.5) / n, 7, axis=1)
    found = np.repeat(known, n, axis=0)
    encode(many, found, bits, uniform)
    assert (abs(found.mean(axis=0) - theta[0]) <= step / (2 * n) + 1e-14).all()


def z_scores(found, theta):
    """The mean of found (draws, d) less theta (d,), in standard errors, where the draws differ."""
    found, theta = found[:, np.ptp(found, axis=0) > 0], theta[np.ptp(found, axis=0) > 0]
    return (found.mean(axis=0) - theta) * np.sqrt(len(found)) / found.std(axis=0)


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_the_quantizer_is_unbiased_and_its_variance_that_of_a_coin(bits):
    random = np.random.default_rng(bits)
    theta, known = random.standard_normal((2, 20))
    found, uniform = np.tile(known, (20_000, 1)), random.random((20_000, 20))
    encode(np.tile(theta, (20_000, 1)), found, bits, uniform)
    assert abs(z_scores(found, theta)).max() < Z
    c, delta = scaled(theta, known, reach(theta, known), bits)
    p = c - np.floor(c)
    np.testing.assert_allclose(found.var(axis=0), delta**2 * p * (1 - p), rtol=0.1, atol=1e-3 * delta**2)


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_rounding_down_with_the_probability_of_rounding_up_would_be_seen(bits):
    """A misprint of the literature: the test of the mean fails on it."""
    random = np.random.default_rng(bits)
    theta, known = random.standard_normal((2, 20))
    R = reach(theta, known)
    c, delta = scaled(theta, known, R, bits)
    up = random.random((20_000, 20)) >= c - np.floor(c)
    assert abs(z_scores(known + delta * (np.floor(c) + up) - R, theta)).max() > 10 * Z


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_a_range_from_the_last_iterate_and_not_from_what_is_known_would_be_seen(bits):
    """Another misprint: with R = |theta^k - theta^(k-1)| codes leave 0..2^b - 1 on a sequence where ours do not."""
    random = np.random.default_rng(bits)
    end = random.standard_normal((1, 50))
    known, last, left = np.zeros((1, 50)), np.zeros((1, 50)), 0
    for k in range(30):
        theta = end + 0.5**k * random.standard_normal((1, 50))
        assert_in_range(scaled(theta, known, radius(theta, known)[0], bits)[0], bits)
        try:
            assert_in_range(scaled(theta, known, reach(theta, last), bits)[0], bits)
        except AssertionError:
            left += 1
        encode(theta, known, bits, random.random((1, 50)))
        last = theta
    assert left > 8


@both
@given(seed=seeds, shape=shapes)
def test_32_bits_are_nearly_exact(dtype, seed, shape):
    theta, known, uniform = drawn(seed, shape, dtype)
    R = radius(theta, known).max(initial=0)
    encode(theta, known, 32, uniform)
    np.testing.assert_allclose(known, theta, rtol=np.finfo(dtype).eps, atol=5e-10 * R)


@both
@pytest.mark.parametrize("bits", [2, 3, 8])
def test_a_vector_that_stays_arrives(dtype, bits):
    """R is the error, so that each message leaves 2 / (2^b - 1) of it at most, down to the rounding of known."""
    random = np.random.default_rng(0)
    theta, known = random.standard_normal((2, 4, 60)).astype(dtype)
    for _ in range(150):
        before = radius(theta, known).astype(float)
        encode(theta, known, bits, random.random((4, 60)))
        left = radius(theta, known)
        assert (left <= before * 2 / (2**bits - 1) * (1 + 1e-6) + 4 * np.finfo(dtype).eps * abs(theta).max()).all()
    np.testing.assert_allclose(known, theta, atol=8 * np.finfo(dtype).eps)


@both
def test_what_is_known_already_sends_zeros_and_changes_nothing(dtype):
    theta = np.array([[-0.0, 1, 2.5, -3e30], [1, 2, 3, 4]], dtype)
    known = theta.copy()
    messages = encode(theta, known, [3, 8], np.zeros((2, 4)))
    assert [m.tobytes() for m in messages] == [bytes([0, 0, 0, 0, 3, 0, 0, 0, 0, 0]), bytes([0] * 4 + [8] + [0] * 7)]
    decode(messages[0], known[0])
    assert known.tobytes() == theta.tobytes()


@both
@pytest.mark.parametrize("bits", [1, 7, 8, 32])
@given(data=st.data())
def test_what_is_not_finite_is_nan_at_both_ends_and_only_there(dtype, bits, data):
    values = st.floats(width=np.dtype(dtype).itemsize * 8)
    theta, known = (data.draw(arrays(dtype, (2, 3), elements=values)) for _ in range(2))
    before = known.copy()
    for message, row in zip(encode(theta, known, bits, np.full((2, 3), 0.5)), before, strict=True):
        decode(message, row)
    assert before.tobytes() == known.tobytes()
    assert np.isnan(known[~np.isfinite(theta).all(axis=1)]).all()


@pytest.mark.parametrize("at", [0, 2047, 2048, 4999])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_one_bad_entry_spoils_its_worker_alone_and_for_good(bad, at):
    theta, known = np.ones((3, 5000)), np.zeros((3, 5000))
    theta[1, at] = bad
    messages = encode(theta, known, 4, np.full((3, 5000), 0.5))
    theta[1, at] = 1
    messages += encode(theta, known, 4, np.full((3, 5000), 0.5))
    assert np.isnan(known[1]).all()
    assert (known[[0, 2]] == 1).all()
    for message in messages[1::3]:
        assert np.isnan(message[:4].view("<f4")[0])
        assert not message[8:].any()


@given(seed=seeds, shape=shapes, bits=some_bits)
def test_a_worker_sends_the_same_wherever_it_is(seed, shape, bits):
    """The workers of a rank are a slice of the stack of all."""
    theta, known, uniform = drawn(seed, shape, np.float64)
    alone = known.copy()
    each = [encode(theta[n : n + 1], alone[n : n + 1], bits, uniform[n : n + 1])[0] for n in range(shape[0])]
    assert [m.tobytes() for m in encode(theta, known, bits, uniform)] == [m.tobytes() for m in each]
    assert alone.tobytes() == known.tobytes()


@given(st.integers(0, 300), st.lists(some_bits, min_size=1, max_size=6))
def test_a_message_has_its_size_to_the_byte(d, bits):
    k = len(bits)
    for b, message in zip(bits, encode(np.ones((k, d)), np.zeros((k, d)), bits, np.zeros((k, d))), strict=True):
        assert len(message) == message_bytes(b, d) == 8 + -(-b * d // 8)
        assert payload_bits(b, d) == b * d + 64
        assert 0 <= 8 * len(message) - payload_bits(b, d) < 8
        assert message.flags.c_contiguous
        assert message.dtype == np.uint8
    assert payload_bits(np.array(bits), d).tolist() == [b * d + 64 for b in bits]
