"""Bits that follow the range, and what the quantizer refuses."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hpcadmm.comm.wire.quantizer import adapted_bits, decode, encode, radius

ranges = st.floats(2.0**-130, 2.0**110, width=32)
factors = st.floats(-12, 12).map(lambda power: 2.0**power)


def test_it_is_rounded_up_when_the_number_is_below_the_fraction_and_not_when_it_equals_it():
    """R = 3.5 and 3 bits: Delta = 1, so that c is exact."""
    theta = np.array([[-3.5, 3.5, -1.5, 0, 0, 0.25, 0.25]])
    known = np.zeros((1, 7))
    encode(theta, known, 3, np.array([[0, 0, 0, 0.5, np.nextafter(0.5, 0), 0.75, np.nextafter(0.75, 0)]]))
    assert known[0].tolist() == [-3.5, 3.5, -1.5, -0.5, 0.5, -0.5, 0.5]


@pytest.mark.parametrize("bits", range(1, 33))
def test_a_largest_code_that_is_rounded_over_its_range_stays_in_it(bits):
    """2 R / (2 R / (2^b - 1)) is above 2^b - 1 for about every tenth R, and 0 would round it up."""
    R = np.random.default_rng(bits).uniform(1, 2, (1000, 1)).astype(np.float32).astype(float)
    for theta in (R, -R):
        known = np.zeros_like(R)
        encode(theta, known, bits, np.zeros_like(R))
        np.testing.assert_allclose(known, theta, rtol=1e-9)


@given(st.integers(1, 32), ranges, ranges | factors)
@example(32, 1.0, 1.0)
@example(8, 1.0, 1.5)
def test_adapted_bits_are_the_least_for_which_the_step_does_not_grow(bits, before, factor):
    """In exact numbers, but for the rounding of the two steps."""
    R = np.float32(min(before * factor, 1e38))
    (found,) = adapted_bits([bits], np.array([R]), np.array([before], np.float32))
    needed = Fraction(float(R)) * (2**bits - 1) / Fraction(before)  # 2^b - 1 must not be below
    if R == 0:
        assert found == bits
        return
    assert 1 <= found <= 32
    assert found == 32 or 2 ** int(found) - 1 >= needed * (1 - Fraction(2) ** -50)
    assert found == 1 or 2 ** int(found - 1) - 1 < needed * (1 + Fraction(2) ** -50)
    if abs(math.log2(1 + needed) % 1 - 0.5) < 0.499:  # the paper's formula, off the powers of two
        assert found == min(max(1, math.ceil(math.log2(1 + needed))), 32)


@given(st.integers(1, 32), ranges)
def test_the_same_range_needs_the_same_bits(bits, R):
    assert adapted_bits(bits, np.array([R, R]), np.array([R, R])).tolist() == [bits, bits]


@pytest.mark.parametrize(("R", "before"), [(0, 1), (1, 0), (0, 0), (np.nan, 1), (1, np.nan)])
def test_without_a_range_the_bits_stay(R, before):
    assert adapted_bits([3, 7], np.array([R, R]), np.array([before, before])).tolist() == [3, 7]


def test_the_step_of_adapted_bits_never_grows_along_a_sequence():
    """Ranges jump and fall by turns; the bits follow, so that what is known comes as near as with many bits."""
    random, k, d = np.random.default_rng(0), 4, 30
    end, known, bits = random.standard_normal((k, d)), np.zeros((k, d)), np.full(k, 2)
    before, last, used = np.zeros(k, np.float32), np.full(k, np.inf), set()
    for i in range(60):
        theta = end + 0.9**i * random.standard_normal((k, d)) * (5 if i % 10 == 3 else 1)
        R = radius(theta, known)
        bits = adapted_bits(bits, R, before)
        delta = 2 * R.astype(float) / (2.0**bits - 1)
        assert (delta <= last).all()
        encode(theta, known, bits, random.random((k, d)))
        before, last = R, delta
        used |= set(bits.tolist())
    assert len(used) > 2
    assert (abs(known - theta) <= last[:, None] * (1 + 1e-9)).all()


X = np.zeros((3, 4))
LOCKED = X.copy()
LOCKED.flags.writeable = False


@pytest.mark.parametrize(
    ("theta", "known", "uniform", "message"),
    [
        (X.astype(np.float32), X, X, r"theta is float32 \(3, 4\), strides \(16, 4\), known float64"),
        (X.astype(int), X, X, "theta is int64 .* must be contiguous float32 or float64"),
        (X, X[:2], X, r"theta is float64 \(3, 4\).*known float64 \(2, 4\)"),
        (X[0], X[0], X[0], r"theta is float64 \(4,\).*\(k, d\)"),
        (np.asfortranarray(X), X, X, r"theta is float64 \(3, 4\), strides \(8, 24\)"),
        (X, np.zeros((3, 8))[:, ::2], X, r"known is float64 \(3, 4\), strides \(64, 16\)"),
        (X, X, X[:, :3], r"uniform is .* must be contiguous float64 \(3, 4\)"),
        (X, X, X.astype(np.float32), "uniform is float32"),
        (X, LOCKED, X, r"known \(3, 4\) is written to, but read-only"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(theta, known, uniform, message):
    with pytest.raises(TypeError, match=message):
        encode(theta, known, 2, uniform)


def test_bits_that_will_not_do_are_refused():
    for bits in (0, 33, -1, [2, 2, 33], np.array([0, 2, 2], np.uint8)):
        with pytest.raises(ValueError, match="must be 1 to 32"):
            encode(X, X.copy(), bits, X)
    for bits in (2.0, [2, 2], True, "2"):
        with pytest.raises(TypeError, match="one whole number or 3"):
            encode(X, X.copy(), bits, X)


def test_messages_that_will_not_do_are_refused():
    (message, *_) = encode(X + 1, X.copy(), 3, X)
    assert len(message) == 10
    for d in (0, 2, 6):
        with pytest.raises(ValueError, match=rf"a message of {d} entries of 3 bits has {8 + -(-3 * d // 8)} bytes"):
            decode(message, np.zeros(d))
    for bits in (0, 33, 2**31):
        wrong = message.copy()
        wrong[4:8] = np.array([bits], "<u4").view(np.uint8)
        with pytest.raises(ValueError, match=f"of 10 bytes says {bits} bits an entry: must be 1 to 32"):
            decode(wrong, np.zeros(4))
    with pytest.raises(ValueError, match="a message of 7 bytes"):
        decode(message[:7], np.zeros(4))
    for wrong in (message.view(np.int8), message[::2], message[None]):
        with pytest.raises(TypeError, match="a message is contiguous uint8"):
            decode(wrong, np.zeros(4))
    for known in (np.zeros((2, 2)), np.zeros(8)[::2], np.zeros(4, int)):
        with pytest.raises(TypeError, match="known is"):
            decode(message, known)
    with pytest.raises(TypeError, match="read-only"):
        decode(message, LOCKED[0])


def test_a_message_is_read_from_anywhere():
    """From bytes that cannot be written to, at any place in a buffer."""
    theta, known = np.random.default_rng(0).standard_normal((2, 1, 9))
    receivers = [known[0].copy() for _ in range(3)]
    (message,) = encode(theta, known, 5, np.full((1, 9), 0.5))
    for offset, receiver in enumerate(receivers):
        decode(np.frombuffer(bytes(offset) + message.tobytes(), np.uint8)[offset:], receiver)
        assert receiver.tobytes() == known[0].tobytes()
