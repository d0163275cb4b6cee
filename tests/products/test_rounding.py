"""Rounding to bfloat16 is to nearest, ties to even; both layouts hold the same bits, whatever the sizes."""

import numpy as np
import pytest

from hpcadmm.products import rounding

shapes = pytest.mark.parametrize("shape", [(15, 40), (40, 15), (16, 16), (17, 100), (129, 33), (64, 64)], ids=str)
LOWER = [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF]


def floats(bits):
    """The float32 numbers whose upper halves are `bits`."""
    return (np.asarray(bits, np.uint32) << 16).view(np.float32)


def rounded(x):
    """Plainly: add half a unit in the last place, less one bit if the last kept bit is even."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def drawn(shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_every_number_goes_to_the_nearest_and_a_tie_to_the_even_one():
    upper, lower = np.meshgrid(np.arange(1 << 16, dtype=np.uint32), np.array(LOWER, np.uint32), indexing="ij")
    x = ((upper << 16) | lower).view(np.float32)
    plain = np.empty(x.shape, np.uint16)
    rounding.round_plain(x, plain)
    assert (np.isnan(floats(plain)) == np.isnan(x)).all()
    finite = np.isfinite(x) & np.isfinite(floats(plain))
    x, plain = x[finite], plain[finite]
    error = np.abs(floats(plain) - x.astype(np.float64))
    for neighbour in (plain - 1, plain + 1):
        with np.errstate(invalid="ignore"):
            other = np.abs(floats(neighbour) - x.astype(np.float64))
        other[~np.isfinite(other)] = np.inf
        assert (error <= other).all()
        assert (plain[error == other] % 2 == 0).all()


@pytest.mark.parametrize(("x", "bits"), [(3.4e38, 0x7F80), (-3.4e38, 0xFF80), (np.inf, 0x7F80), (-0.0, 0x8000)])
def test_the_ends_of_the_range(x, bits):
    plain = np.empty((1, 1), np.uint16)
    rounding.round_plain(np.array([[x]], np.float32), plain)
    assert plain[0, 0] == bits


@shapes
@pytest.mark.parametrize("step", [0, 5])
def test_both_layouts_hold_the_same_bits(shape, step):
    """Rows may lie apart, as those of a tile of a larger array."""
    x = drawn((shape[0], shape[1] + step))[:, : shape[1]]
    plain, turned, again = np.empty(shape, np.uint16), *(rounding.lines(*shape[::-1]) for _ in range(2))
    rounding.round_plain(x, plain)
    rounding.turn(plain, turned)
    rounding.turn(x, again)
    assert (plain == rounded(x)).all()
    assert (turned == plain.T).all()
    assert (again == plain.T).all()


def test_a_layout_is_written_within_its_bounds():
    turned = np.full((35, 70), 7, np.uint16)
    rounding.turn(np.zeros((66, 33), np.uint16), turned[1:34, 2:68])
    assert (turned[1:34, 2:68] == 0).all()
    turned[1:34, 2:68] = 7
    assert (turned == 7).all()


def test_nan_stays_nan_in_both_layouts():
    x = np.array([[0x7F800001, 0xFFC00000]] * 16, np.uint32).view(np.float32).repeat(8, axis=1)
    plain, turned = np.empty((16, 16), np.uint16), np.empty((16, 16), np.uint16)
    rounding.round_plain(x, plain)
    rounding.turn(x, turned)
    assert np.isnan(floats(plain)).all()
    assert (turned == plain.T).all()


def test_scaled_columns_are_rounded_once_more():
    plain, factors = rounded(drawn((9, 20))), drawn((9,))
    out = np.empty_like(plain)
    rounding.scale(plain, factors, out)
    assert (out == rounded(factors[:, None] * floats(plain))).all()


@pytest.mark.parametrize("columns", [1, 31, 64, 512, 1024, 2048, 1500])
def test_rows_of_a_layout_lie_apart_by_no_large_power_of_two(columns):
    made = rounding.lines(3, columns)
    assert made.shape == (3, columns)
    assert made.strides[0] % 64 == 0
    assert made.strides[0] % 1024
