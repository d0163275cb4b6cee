"""A column of dates: days since 1970-01-01, the time of day as a fraction."""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.tabular.columns.base import Here
from hpcadmm.datasets.tabular.columns.number import Number, finite
from hpcadmm.datasets.tabular.columns.values import Vector, floats, texts
from hpcadmm.datasets.tabular.options import cure
from hpcadmm.errors import UsageError

if TYPE_CHECKING:
    import pyarrow

# Found by themselves, in this order. A time of day may follow each.
MONTH_FIRST, DAY_FIRST = "%m/%d/%Y", "%d/%m/%Y"
FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", MONTH_FIRST, DAY_FIRST, "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y", "%m/%d/%y", "%d/%m/%y",
    "%d.%m.%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d-%b-%y", "%Y-%m", "%Y/%m", "%b-%Y", "%b %Y",
)  # fmt: skip
SWAPPED = {MONTH_FIRST: DAY_FIRST, "%m-%d-%Y": "%d-%m-%Y", "%m/%d/%y": "%d/%m/%y"}  # both may fit
FIELDS = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{1,2}", "d": r"\d{1,2}", "b": "[A-Za-z]{3,9}", "B": "[A-Za-z]{3,9}",
    "H": r"\d{1,2}", "M": r"\d{1,2}", "S": r"\d{1,2}", "f": r"\d{1,9}",
}  # fmt: skip
CLOCK = r"(?:[T ]+(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9})\d*)?)?"
TIME = CLOCK + r" ?(?P<p>[AaPp][Mm])?(?P<z>Z|[+-]\d{2}:?\d{2})?)?"
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


@dataclass(frozen=True)
class Date(Number):
    """Days since 1970-01-01 as a number. format: as in strftime; "" for dates of a file that knows the type."""

    becomes: ClassVar[str] = "date"

    format: str = ""

    def numbers(self, values: "pyarrow.Array", here: Here) -> Vector:
        if here.kind == "date":
            return floats(values)
        different, codes = texts(values)
        form = self.format or FORMATS[0]
        found = days(different, form)
        bad = np.isin(codes, np.flatnonzero(np.isnan(found)))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            told = cure(self.name, "date:FORMAT", "set ") + ' or "category", or data.missing = ["..."]'
            raise here.fault(row, f"{different[codes[row]]!r}: is no date of the form {form}{told}")
        return np.append(found, np.nan)[codes]

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Date":
        """From an untrusted record. Raises TypeError, KeyError or ValueError."""
        pattern(form := str(record["format"]))
        place, known = int(record["place"]), finite(record["median"])
        return cls(str(record["name"]), place, known, bool(record["indicator"]), form)


@cache
def pattern(form: str) -> str:
    """The regular expression of a format, its groups named as the directives.

    >>> pattern("%d.%m").partition("(?:")[0]
    '^(?P<d>\\\\d{1,2})[.](?P<m>\\\\d{1,2})'
    """
    found = ""
    for piece in re.findall(r"%.?|[^%]", form):
        if piece[0] == "%" and piece[1:] not in FIELDS:
            raise UsageError(f"data.types: date:{form}: {piece} is unknown; known are %{', %'.join(FIELDS)}")
        literal = piece if piece.isalnum() or piece == " " else f"[{piece}]" if piece not in r"\^]" else "\\" + piece
        found += f"(?P<{piece[1:]}>{FIELDS[piece[1:]]})" if piece[0] == "%" else literal
    return f"^{found}{'' if '%H' in form else TIME}$"


def days(different: list[str], form: str) -> Vector:
    """Days since 1970-01-01 of texts of this form; NaN for a text of another form.

    >>> days(["1970-01-02", "2024-02-29T12:00", "2023-02-29", "x"], "%Y-%m-%d").tolist()
    [1.0, 19782.5, nan, nan]
    >>> days(["1970-02", "1970-13"], "%Y-%m").tolist()  # the first day of the month
    [31.0, nan]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = pc.extract_regex(pa.array(different, pa.string()), pattern(form))
    known = [parts.type.field(i).name for i in range(parts.type.num_fields)]
    part = {name: pc.struct_field(parts, name).fill_null("").to_pylist() for name in known}
    fits = np.asarray(parts.is_valid().to_numpy(zero_copy_only=False), bool)
    found, real = calendar(part, len(different))
    return np.where(fits & real, found + clock(part, len(different)), np.nan)


def whole(part: dict[str, list[str]], name: str, count: int, default: int = 0) -> NDArray[np.int64]:
    """A group of digits as numbers; `default` where it is empty."""
    return np.array([int(text or default) for text in part.get(name, [""] * count)], np.int64)


def calendar(part: dict[str, list[str]], count: int) -> tuple[Vector, NDArray[np.bool_]]:
    """Days since 1970-01-01, and whether there is such a day."""
    short = whole(part, "y", count)
    year = whole(part, "Y", count) if "Y" in part else short + np.where(short < 69, 2000, 1900)
    word = part.get("b") or part.get("B")
    named = [text[:3].lower() for text in word or []]
    month = np.array([MONTHS.index(one) + 1 if one in MONTHS else 0 for one in named], np.int64)
    month = month if word else whole(part, "m", count, 1)
    day = whole(part, "d", count, 1)
    first = (12 * (year - 1970) + month - 1).astype("M8[M]")
    date = first.astype("M8[D]") + (day - 1).astype("m8[D]")
    real = (month >= 1) & (month <= 12) & (day >= 1) & (date.astype("M8[M]") == first)
    return date.astype(np.int64).astype(np.float64), real


def clock(part: dict[str, list[str]], count: int) -> Vector:
    """The time of day in days, in UTC if an offset is given; NaN if there is no such time."""
    hour, minute, second = (whole(part, name, count) for name in "HMS")
    half = [text.lower() for text in part.get("p", [""] * count)]
    hour = np.array([h % 12 + 12 * (p == "pm") if p else h for h, p in zip(hour.tolist(), half, strict=True)], np.int64)
    fraction = np.array([float(f"0.{text or 0}") for text in part.get("f", [""] * count)])
    offset = np.array([minutes(text) for text in part.get("z", [""] * count)], np.int64)
    seconds = 3600.0 * hour + 60 * (minute - offset) + second + fraction
    return np.where((hour < 24) & (minute < 60) & (second <= 60), seconds / 86400, np.nan)


def minutes(offset: str) -> int:
    """The minutes of an offset from UTC.

    >>> minutes("+01:30"), minutes("-0100"), minutes("Z")
    (90, -60, 0)
    """
    digits = offset[1:].replace(":", "")
    return (-1 if offset[0] == "-" else 1) * (60 * int(digits[:2]) + int(digits[2:])) if digits else 0
