"""Columns of numbers in few bytes: no bit is lost."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.datasets.tabular.reading.packed import Columns, Packed


@pytest.mark.parametrize(
    ("column", "bytes_"),
    [
        ([1, -127, 0], 1),
        ([0.25, 300.125, None], 4),
        ([0.125730221, -2.325030775, None], 5),
        ([0.125730221] * 20 + [-2.325030775, None], 4),
        ([0.1, 31999.9], 4),
        ([-0.001, 0.999], 2),
        ([0.1 + 0.2, 1e300], 8),
        ([-0.0, 0.1], 8),
        ([2.0**39, 0.1], 8),
        ([], 1),
        ([None, None], 1),
    ],
)
def test_packed_columns_lose_no_bit(column: list[float | None], bytes_: int) -> None:
    array = pa.array(column, pa.float64())
    held = Packed.of(array)
    assert held.low.itemsize + (held.high is not None) == bytes_
    for one in (array, pa.array([7.5, *column], pa.float64())[1:]):
        (back,) = Columns([one])
        assert back.is_valid().to_pylist() == array.is_valid().to_pylist()
        assert [v and v.hex() for v in back.to_pylist()] == [v and float(v).hex() for v in column]
        assert str(back.to_pylist()) == str(array.to_pylist())


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.decimals(-999, 999, places=7).map(float)))
def test_any_column_comes_back(values: list[float]) -> None:
    assert list(map(repr, Packed.of(pa.array(values, pa.float64())).array().to_pylist())) == list(map(repr, values))
