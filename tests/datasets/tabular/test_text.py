"""Text tables as users have them: what is found, what is read, on any number of ranks."""

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm.world import World
from hpcadmm.datasets.tabular.dialect import Dialect
from hpcadmm.datasets.tabular.raw import Kind, Raw
from hpcadmm.datasets.tabular.reading import blocks
from hpcadmm.datasets.tabular.sniff import sample
from hpcadmm.datasets.tabular.sniff.fields import MISSING
from hpcadmm.datasets.tabular.text import detected, read_text
from tests.helpers.threads import on_ranks

NAMES = ["age", "city", "height"]
ROWS = [[1.0, "Köln", 1.5], [2.0, "Oslo, N", -0.25], [30.0, "", 1e-3], [4.0, "Rome", None]]


def read(path: Path, ranks: int = 1, kinds: Mapping[str, Kind] | None = None, **asked: Any) -> list[Raw]:
    return on_ranks(ranks, lambda world: read_text(path, Dialect(**asked), world, kinds or {}))


def values(raws: list[Raw]) -> list[list[Any]]:
    """The rows of all ranks, in the file's order; checks that the shards fit together."""
    shards = sorted((shard for raw in raws for shard in raw.shards), key=lambda shard: shard.start)
    rows: list[list[Any]] = []
    for shard in shards:
        assert shard.start == len(rows)
        rows += map(list, zip(*(column.to_pylist() for column in shard.columns), strict=True))
    assert all(raw.rows == len(rows) for raw in raws)
    return rows


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
    assert detected(tmp_path / "a.csv", Dialect()).encoding == {"utf-32-le": "utf-32"}.get(encoding, encoding)
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


def test_row_names_of_r_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"x" "y"\n"one" 1 2\n"two" 3 4\n')
    (raw,) = read(tmp_path / "a.csv")
    assert values([raw]) == [[1, 2], [3, 4]]
    assert (raw.names, raw.place(1, 0)) == (["x", "y"], f"{tmp_path}/a.csv: line 3, column 2 (x)")
    assert "row names" in raw.facts[-1]


FAMOUS = {
    "Ticket,Fare": (['"A/5 2117",7.25', "113803,53.1", "373450,8.05", "17463,51.9", "349909,21"] * 9, "tn"),
    "seeds": (["15.26\t14.84\t5", "14.88\t14.57\t\t5", "1\t2\t5", "1\t2\t5"] * 9, "nnn"),
    "auto-mpg": ([f'18.0   8   3{i}.0      12.0   70\t"chevrolet chevelle {i}"' for i in range(30)], "nnnnnt"),
    "housing": ([f" 0.00632  18.00   2.310  0  0.5{i}" for i in range(30)], "nnnnn"),
    "blanks and decimal commas": ([f"{i},5 {i},25 3" for i in range(30)], "nnn"),
    "times": ([f"2020-01-01 12:{i}:00,red" for i in range(10, 40)], "tt"),
    "car": (["vhigh,2,2,low", "vhigh,3,4,low", "low,5more,4,med", "low,4,more,med"] * 9, "tttt"),
    "a list": ([f'"[1, 2, {i}]",1' for i in range(30)], "tn"),
    "dotted": ([f"192.168.1.{i},1.2.{i}" for i in range(30)], "tt"),
    "zips": ([f"0{2000 + i},x" for i in range(30)], "nt"),
    "messages": ([f'{"ham" if i % 3 else "spam"}\tGo, now.. "Only {i}; {i}' for i in range(30)], "tt"),
    "passwd": ([f"u{i}:x:{i}:Some Name:/home/u{i}" for i in range(30)], "ttntt"),
}


@pytest.mark.parametrize("name", FAMOUS)
def test_tables_that_are_often_used(name: str, tmp_path: Path) -> None:
    lines, kinds = FAMOUS[name]
    (tmp_path / "a.csv").write_text("\n".join([name, *lines] if name.count(",") else lines) + "\n")
    (raw,) = read(tmp_path / "a.csv")
    assert "".join(kind[0] for kind in raw.kinds) == kinds
    assert raw.rows == len(lines)
    assert sum(column.null_count for shard in raw.shards for column in shard.columns) == 0


def test_years_that_may_be_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("country,1990,1991,1992\nA,1.5,2,3\nB,2.5,3,4\n")
    assert "if these are names, set data.header = true" in read(tmp_path / "a.csv")[0].warnings[0]
    assert read(tmp_path / "a.csv", header=True)[0].names == ["country", "1990", "1991", "1992"]


def test_arff(tmp_path: Path) -> None:
    head = "% note\n@relation 'a b'\n@ATTRIBUTE 'my x' real\n@attribute kind {one, 'or two'}\n"
    text = f"{head}\n@data\n1.5,one\n?,'or two'\n"
    (tmp_path / "a.arff").write_text(text)
    (raw,) = read(tmp_path / "a.arff")
    assert values([raw]) == [[1.5, "one"], [None, "or two"]]
    assert raw.names == ["my x", "kind"]
    assert raw.place(1, 1) == f"{tmp_path}/a.arff: line 8, column 2 (kind)"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,x\n2,y\n", ["a", "b"]),
        ("3,b\n1,x\n2,y\n", None),
        ("a,b\nc,d\na,d\n", None),
        ("who,what\nbob,red\nann,blue\n", ["who", "what"]),
        ("x,1\ny,2\n", None),
        (",a\n0,x\n1,y\n", ["column 1", "a"]),
        ("?,7\n1,?\n2,8\n", None),
    ],
)
def test_which_first_line_is_a_header(text: str, names: list[str] | None, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    (raw,) = read(tmp_path / "a.csv")
    assert raw.header == (names is not None)
    assert raw.names == (names or ["1", "2"])
    if names is None:
        assert len(values([raw])) == text.count("\n")


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
    assert detected(tmp_path / "a.csv", Dialect(comment="1")).comment == "1"
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
    from hpcadmm.datasets.tabular.reading.packed import Columns, Packed

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
    from hpcadmm.datasets.tabular.reading.packed import Packed

    assert list(map(repr, Packed.of(pa.array(values, pa.float64())).array().to_pylist())) == list(map(repr, values))
