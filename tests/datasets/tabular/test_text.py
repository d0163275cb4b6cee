"""Text tables as users have them: what is found, what is read, on any number of ranks."""

import bz2
import csv
import gzip
import io
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm.world import World
from hpcadmm.datasets.tabular.dialect import Dialect, Layout
from hpcadmm.datasets.tabular.raw import Kind
from hpcadmm.datasets.tabular.reading import blocks
from hpcadmm.datasets.tabular.sniff import sample
from hpcadmm.datasets.tabular.sniff.fields import MISSING
from hpcadmm.datasets.tabular.sniff.layout import layout_of
from hpcadmm.datasets.tabular.text import read_text
from tests.helpers.text_tables import read, values

NAMES = ["age", "city", "height"]
ROWS = [[1.0, "Köln", 1.5], [2.0, "Oslo, N", -0.25], [30.0, "", 1e-3], [4.0, "Rome", None]]


def layout(path: Path) -> Layout:
    """How the file is written, from a sample."""
    with sample.sampled(path) as some:
        return layout_of(some, Dialect(), {})


def written(delimiter: str, quote: str = '"', decimal: str = ".", end: str = "\n", pad: str = "") -> str:
    """NAMES and ROWS."""
    out = io.StringIO()
    for row in [NAMES, *ROWS]:
        said = ["NA" if v is None else str(v).replace(".", decimal) if isinstance(v, float) else v for v in row]
        cut = [f"{quote}{v}{quote}" if delimiter in v or " " in v or not v else v for v in said]
        out.write((delimiter + pad).join(cut) + end)
    return out.getvalue()


EXPECTED = [[a, b or None, c] for a, b, c in ROWS]
DIALECTS = {
    "comma": written(","),
    "tab": written("\t"),
    "semicolon": written(";"),
    "bar": written("|"),
    "caret": written("^"),
    "colon": written(":"),
    "blanks": written(" ", pad="  "),
    "padded": written(",", pad=" "),
    "single quotes": "".join(f"'{a}',{b}\n" for a, b in zip("abcdef", range(6), strict=True)),
    "decimal comma": written(";", decimal=","),
    "tab and decimal comma": written("\t", decimal=","),
    "CR LF": written(",", end="\r\n"),
    "CR": written(",", end="\r"),
    "comments": "# made\n# by hand\n" + written(",") + "# the end\n",
    "percent": "% made by hand\n" + written(";"),
    "a header behind #": "# note\n#" + written("\t"),
    "blank lines": "\n\n" + written(",").replace("\n", "\n\n") + "   \n",
    "Excel": "sep=;\n" + written(";"),
    "a title": "People,,\n" + written(","),
    "a preamble": "|1x3 Cross validator\n" + written(","),
    "a delimiter at the end": written(",", end=",\n"),
    "BOM": "\ufeff" + written(","),
    "no line end": written(",").rstrip("\n"),
}


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "single quotes"])
def test_dialects(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 16)
    monkeypatch.setattr(blocks, "LEAST", 1)
    (tmp_path / "a.csv").write_bytes(DIALECTS[name].encode())
    for ranks in (1, 2, 3):
        raws = read(tmp_path / "a.csv", ranks)
        assert values(raws) == EXPECTED
        assert all((raw.names, raw.kinds) == (NAMES, ["number", "text", "number"]) for raw in raws)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_encodings(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 16)
    (tmp_path / "a.csv").write_bytes(written(",").encode(encoding))
    raws = read(tmp_path / "a.csv", 2)
    assert values(raws) == EXPECTED
    assert bool(raws[0].warnings) == (encoding == "cp1252")
    assert layout(tmp_path / "a.csv").encoding == {"utf-32-le": "utf-32"}.get(encoding, encoding)
    assert values(read(tmp_path / "a.csv", encoding=encoding)) == EXPECTED


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, "zstd", "lz4"])
def test_packed(pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 64)
    text = written(",").encode()
    if isinstance(pack, str):
        with pa.output_stream(str(tmp_path / "a.csv"), compression=pack) as file:
            file.write(text)
    else:
        (tmp_path / "a.csv").write_bytes(pack(text))
    for ranks in (1, 3):
        assert values(read(tmp_path / "a.csv", ranks)) == EXPECTED


def test_single_quotes_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(DIALECTS["single quotes"])
    (raw,) = read(tmp_path / "a.csv")
    assert values([raw])[:2] == [["a", 0.0], ["b", 1.0]]
    assert raw.names == ["1", "2"]
    assert raw.place(3, 1) == f"{tmp_path}/a.csv: line 4, column 2"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("+1 -1 +1.5", [1.0, -1.0, 1.5]),
        ("00007 5. .5", [7.0, 5.0, 0.5]),
        ("1e400 2", None),
        ("1e-400 2", [0.0, 2.0]),
        ("NaN 1 nan NAN -nan N/A none - . ? null", [None, 1.0] + [None] * 9),
        ("1 2 inf", None),
        ("0x10 1 2", None),
        ("1_000 1 2", None),
        ("none mild none", ["none", "mild", "none"]),
        ("NA mild ?", [None, "mild", None]),
        ("-999 3 -999.0", [None, 3.0, None]),
    ],
)
def test_fields(column: str, expected: list[Any] | None, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{text} ,{i}\n" for i, text in enumerate(column.split())))
    if expected is None:
        with pytest.raises(Exception, match=r"line \d, column 1 \(x\)"):
            read(tmp_path / "a.csv")
    else:
        assert [row[0] for row in values(read(tmp_path / "a.csv", missing=("-999",)))] == expected


def test_the_user_s_kinds_and_dialect_come_first(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1;5,2|3\n2;6,2|4\n")
    assert values(read(tmp_path / "a.csv", delimiter="|", kinds={"2": "text"})) == [["1;5,2", "3"], ["2;6,2", "4"]]
    assert len(values(read(tmp_path / "a.csv", comment="1"))) == 1


texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=8).map(str.strip)
texts = st.sampled_from(["a\nb", 'say "x"', "x,y", '5" pipe', "z"]) | texts


@settings(max_examples=15)
@given(data=st.data())
def test_what_is_written_is_read(data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    width = data.draw(st.integers(2, 4))
    kinds = data.draw(st.lists(st.booleans(), min_size=width, max_size=width))
    fields = [st.floats(allow_nan=False, allow_infinity=False) if number else texts for number in kinds]
    rows = data.draw(st.lists(st.tuples(*fields), min_size=1, max_size=30))
    out = io.StringIO()
    sign = data.draw(st.sampled_from(",;\t|"))
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    style = csv.writer(out, delimiter=sign, lineterminator="\n", quoting=quoting)
    style.writerows(
        [[f"c{i}" for i in range(width)], *([repr(v) if isinstance(v, float) else v for v in r] for r in rows)]
    )
    path = tmp_path_factory.mktemp("written") / "a.csv"
    path.write_text(out.getvalue(), encoding="utf-8", newline="")
    given: dict[str, Kind] = {f"c{i}": "number" if number else "text" for i, number in enumerate(kinds)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", data.draw(st.integers(1, 50)))
        patch.setattr(blocks, "LEAST", 1)
        found = values(
            read(
                path,
                data.draw(st.integers(1, 3)),
                given,
                delimiter=sign,
                header=True,
                quote='"',
                comment="",
                decimal=".",
            )
        )
    assert found == [[None if isinstance(v, str) and v.lower() in MISSING else v for v in row] for row in rows]


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("SMALL", 1000), ("TOP", 10_000)):
        monkeypatch.setattr(sample, name, size)
    monkeypatch.setattr(blocks, "LEAST", 1)
    monkeypatch.setattr(blocks, "BLOCK", 1 << 16)
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(40_000)))
    size = (tmp_path / "a.csv").stat().st_size
    count: list[int] = []
    seen = blocks.Stream.read
    monkeypatch.setattr(blocks.Stream, "read", lambda self, n=-1: (got := seen(self, n), count.append(len(got)))[0])
    assert len(values(read(tmp_path / "a.csv", 3))) == 40_000
    assert sum(count) <= 1.05 * size


def test_places_of_rows(tmp_path: Path) -> None:
    lines = ["# note", "x,y", '"a\nb",1', "", "c,2", "# note", "d,3"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    (raw,) = read(tmp_path / "a.csv", comment="#")
    assert [raw.place(row, 1) for row in range(3)] == [f"{tmp_path}/a.csv: line {n}, column 2 (y)" for n in (3, 6, 8)]


def test_pyarrow_is_imported_only_where_a_table_is_read(mpirun: Any) -> None:
    code = "import sys\nimport hpcadmm.datasets, hpcadmm.datasets.tabular.text\nassert 'pyarrow' not in sys.modules"
    mpirun(0, code).check()


def test_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n3,4\n")
    assert read_text(tmp_path / "a.csv", Dialect(), World.alone()).rows == 2
