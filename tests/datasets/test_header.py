"""Tables with a header and without: one rule for the first line, columns matched by their names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.formats.lines import DELIMITERS, Style, delimiter_of, number
from hpcadmm.datasets.inspect import inspect
from hpcadmm.datasets.loaded import Loaded
from hpcadmm.datasets.unlabelled import load_inputs
from hpcadmm.errors import UsageError
from tests.helpers.samples import rows, text

X, Y = rows(60, 4, 3)
NAMES = ["a", "b", "c", "d", "label"]
TABLE = np.column_stack([X, Y])


def write(path: Path, table: Any, names: list[str] | None = None, delimiter: str = ",") -> str:
    head = "" if names is None else delimiter.join(names) + "\n"
    path.write_bytes(text(table, "").replace(b",", delimiter.encode()))
    path.write_text(head + path.read_text(encoding="utf-8"), encoding="utf-8")
    return str(path)


def load(path: str, columns: Any = None, **options: Any) -> Loaded:
    found: Loaded = DATASETS["csv"](path=path, split=1.0, shuffle=False, scale="none", **options).load(
        0, World.alone(), np.float64, ones=False, columns=columns
    )
    return found


def permuted(path: Path, order: list[int], header: bool = True) -> str:
    return write(path, TABLE[:, order], [NAMES[i] for i in order] if header else None)


@pytest.mark.parametrize("quote", ['"height, cm"', '"say ""a"""', '"two\nlines"', " b ", "\ufeffb", "#b"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_names_are_read_with_the_quoting_of_the_rows(quote: str, end: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TABLE[:, [0, 4, 1, 2, 3]], [quote, "label", "x", "y", "z"])
    Path(path).write_bytes(Path(path).read_bytes().replace(b"\n", end.encode()))
    loaded = load(path, target="label")
    np.testing.assert_array_equal(loaded.train.labels, Y)
    np.testing.assert_array_equal(loaded.train.x.T, X)
    assert loaded.columns.target == "label"
    assert loaded.columns.features[1:] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["b", "c", "d", "label"], "header has 4 names, the rows have 5 columns: .*; R's write.table"),
        (["a", "b"], "header has 2 names, the rows have 5 columns"),
        (["a", "b", "c", "d", "e", "label"], "header has 6 names, the rows have 5 columns"),
        (["a", "b", "c", "b", "label"], r"the name 'b' twice \(columns 2 and 4\)"),
    ],
)
def test_names_are_counted_and_unique(names: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        load(write(tmp_path / "a.csv", TABLE, names))


ORDERS = [[3, 2, 1, 0, 4], [4, 0, 1, 2, 3], [2, 4, 0, 3, 1]]  # of the second only the target is elsewhere


@pytest.mark.parametrize("order", ORDERS)
def test_columns_are_matched_by_name(order: list[int], tmp_path: Path) -> None:
    train = write(tmp_path / "a.csv", TABLE, NAMES)
    other = permuted(tmp_path / "b.csv", order)
    plain = load(train)
    for options in ({}, {"target": "label"}):
        found = load(other, plain.columns, **options).train
        np.testing.assert_array_equal(found.x, plain.train.x)
        np.testing.assert_array_equal(found.labels, plain.train.labels)
        both = DATASETS["csv"](path=train, test=other, scale="none", **options).load(
            0, World.alone(), np.float64, ones=False
        )
        np.testing.assert_array_equal(both.test.x, plain.train.x)
        np.testing.assert_array_equal(both.test.labels, plain.train.labels)
        assert any("reordered by name" in line for line in both.facts) == (order != ORDERS[1])
    bare = permuted(tmp_path / "bare.csv", [i for i in order if i != 4])
    for path in (other, bare):
        like = DATASETS["csv"](path=train)
        inputs = load_inputs(
            Path(path), like, plain.transform, World.alone(), np.float64, ones=False, columns=plain.columns
        )
        np.testing.assert_array_equal(inputs.x, plain.train.x)


def test_missing_and_unknown_columns_are_named(tmp_path: Path) -> None:
    columns = load(write(tmp_path / "a.csv", TABLE, NAMES)).columns
    for names, said in (
        (["a", "b", "x", "d", "label"], "missing: c; unknown: x; the training has a, b, c, d"),
        (["a", "b", "c", "d", "y"], "missing: label"),
        (["x", "a", "b", "c", "d", "label"], "unknown: x"),
    ):
        table = TABLE[:, [0, *range(5)]] if len(names) > 5 else TABLE
        with pytest.raises(UsageError, match=said):
            load(write(tmp_path / "b.csv", table, names), columns)


def test_a_file_without_header_goes_by_place_and_says_so(tmp_path: Path) -> None:
    named, plain = write(tmp_path / "a.csv", TABLE, NAMES), write(tmp_path / "b.csv", TABLE)
    for train, other, said in ((named, plain, "its columns are read in the order of the training: a, b, c, d"),
                               (plain, named, "the training file had no header")):  # fmt: skip
        first = load(train)
        found = load(other, first.columns)
        np.testing.assert_array_equal(found.train.x, first.train.x)
        assert any(said in line for line in found.warnings)
        both = DATASETS["csv"](path=train, test=other).load(0, World.alone(), np.float64, ones=False)
        assert any(said in line for line in both.warnings)
    first = write(tmp_path / "first.csv", TABLE[:, [4, 0, 1, 2, 3]], ["label", "a", "b", "c", "d"])
    bare = write(tmp_path / "bare.csv", TABLE[:, [4, 0, 1, 2, 3]])
    both = DATASETS["csv"](path=first, test=bare, target="label").load(0, World.alone(), np.float64, ones=False)
    np.testing.assert_array_equal(both.test.labels, Y)


def test_the_first_line_is_a_header_by_one_rule_that_is_shown(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.csv", TABLE)
    with pytest.raises(UsageError, match=r"header = true, but the first line holds numbers.*set header = false"):
        load(plain, header=True)
    counted = write(tmp_path / "b.csv", TABLE, list("01234"))
    loaded = load(counted, classes=[0, 1, 2])
    assert "is read as a sample; if these are names, set data.header = true" in loaded.warnings[0]
    assert load(counted, header=True).train.n == 60
    assert not load(counted, header=False, classes=[0, 1, 2]).warnings
    years = write(tmp_path / "c.csv", TABLE, ["1990", "1991", "1992", "1993", "1994"])
    assert "is read as a header because data.header = true" in load(years, header=True).warnings[0]
    mixed = write(tmp_path / "d.csv", TABLE, ["0", "1", "2", "3", "label"])
    for options in ({"target": "label"}, {}):
        with pytest.raises(UsageError, match=r"set data\.header = true"):
            load(mixed, **options)
    assert load(mixed, header=True, target="label").train.n == 60
    said = inspect(DATASETS["csv"](path=mixed, header=True))["train"]
    assert said["facts"] == [f"{mixed}: the first line is a header: 0, 1, 2, 3, label; target: column 5 (label)"]
    assert said["columns"] == list("0123")


def test_a_header_that_the_job_asks_for_is_asked_of_every_file(tmp_path: Path) -> None:
    columns = load(write(tmp_path / "a.csv", TABLE, NAMES), header=True).columns
    rising = write(tmp_path / "b.csv", np.column_stack([np.sort(X, axis=1), Y + 100]))
    with pytest.raises(UsageError, match="header = true, but the first line holds numbers"):
        load(rising, columns, header=True)


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_another_delimiter_is_named(delimiter: str, tmp_path: Path) -> None:
    for names in (NAMES, None):
        path = write(tmp_path / "a.csv", TABLE, names, delimiter)
        given = "," if delimiter != "," else ";"
        with pytest.raises(UsageError, match=r"set data\.delimiter = "):
            load(path, delimiter=given)
        np.testing.assert_array_equal(load(path, delimiter=delimiter).train.x.T, X)


@pytest.mark.parametrize("word", ["\\t", "tab", "\t"])
def test_a_tab_by_any_name(word: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", TABLE, NAMES, "\t")
    np.testing.assert_array_equal(load(path, delimiter=word).train.x.T, X)


@pytest.mark.parametrize("word", ["", "ab", "1", '"', "\n", "-", "e", "\0"])
def test_what_is_no_delimiter(word: str) -> None:
    with pytest.raises(UsageError, match="must be one character"):
        DATASETS["csv"](delimiter=word)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ('"1,234"', "write it without the thousands separator, 1234"),
        ('"1,5"', "write it with a decimal point, 1.5"),
        ("1_000", "write it without separators, 1000"),
        ("10%", "write it without the sign, 10"),
        ("\u22121", "with the ASCII sign -, -1"),
        ("1.5D+01", "with an e before the exponent, 1.5e[+]01"),
        ("'7'", "write it without quotes, 7"),
        ("", "'' is not a number: a missing value"),
        ("NA", "a missing value"),
        ("TRUE", "write 1 and 0"),
        ("red", "replace the text by numbers, or leave the column out"),
        ("caf\u00e9", "the file may be damaged, or may not be text"),
        ("\u0661", "the file may be damaged, or may not be text"),
        ("nan", r"row 2, column 2 \(b\) \(counted from 1\): nan is not a finite"),
    ],
)
def test_a_field_that_is_no_number(field: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"a,b,label\n1,2,0\n3,{field},1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=said) as caught:
        load(str(tmp_path / "a.csv"))
    assert "row 2, column 2" in str(caught.value)


def test_values_in_quotes_comments_and_class_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('# made by hand\n"a","b","label"\n"1","2","0"\n# one more\n3, "4",1\n')
    loaded = load(str(path), comment="#")
    np.testing.assert_array_equal(loaded.train.x.T, [[1, 2], [3, 4]])
    path.write_text("a,b,label\n1,2,setosa\n")
    with pytest.raises(UsageError, match=r"row 1, column 3.*'setosa' is not a number; number the classes"):
        load(str(path))
    path.write_text('a,b,label\n1,2,"0\n' + "3,4,1\n" * 200)
    with pytest.raises(UsageError, match=r"quotes opened in .* are not closed"):
        load(str(path))


def test_numbers() -> None:
    for said in ("1", "-1.5", ".5", "5.", "1e5", " 1E-5 ", "nan", "-Inf", "infinity"):
        assert number(said), said
        float(said)
    for said in ("", ".", "1_0", "1,5", "0x1", "e5", "\u0661", "--1", "1 2", "na"):
        assert not number(said), said


def test_fields_and_delimiters() -> None:
    assert Style("\t").fields('"a\tb"\tc') == ["a\tb", "c"]
    assert Style(" ").fields(' "a b"\t 2 ') == ["a b", "2"]
    assert delimiter_of(["a;b", "1,5;2"], ",") == ";"
    assert delimiter_of(["one two", "three four"], ",") is None
    assert delimiter_of(["1\t2", "3\t4"], ",") == "\t"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("# by hand\na,b,y\n1,2,0\n3,4,1\n", r"first line has 1 column, .* set data\.comment = '#'"),
        ("sep=;\na;b;y\n1;2;0\n", "remove the first line, which Excel wrote, and set data.delimiter"),
        ('{"a": 1}\n', "is it JSON"),
        ("a,b,y\n1,2,0,\n3,4,1,\n", "header has 3 names, the rows have 4 columns.*remove the delimiter at the end"),
        ('a,b,y\n3,4,1\n5",2,0\n1,2,1\n6",2,0\n', "row 2 has 7 columns, the others have 3; it spans several lines"),
        ("a;b;y\n1,5;2,5;0\n3,5;4,5;1\n", 'set data.delimiter = ";"'),
    ],
)
def test_first_lines_of_other_programs(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(UsageError, match=said):
        load(str(tmp_path / "a.csv"))


def test_names_do_not_reach_the_terminal_raw(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TABLE, ["\x1b[31m", "b", "c", "d", "label"])
    assert "\x1b" not in load(path).facts[0]


@pytest.mark.parametrize(
    ("row", "delimiter"),
    [('"1,000",0,1', ","), ('"1,000",0', ","), ('"" 0 1', " "), ('"5 0" 0 1', " "), ('"5 0" 1', " ")],
)
def test_a_label_is_never_taken_from_a_field_of_quotes(row: str, delimiter: str, tmp_path: Path) -> None:
    width = 3 if row.endswith(("0 1", "0,1")) else 2
    first = delimiter.join(["2", "1", "0"][:width])
    (tmp_path / "a.csv").write_text(f"{first}\n{row}\n")
    with pytest.raises(UsageError, match=r"row 2, column 1 .* is not a number"):
        load(str(tmp_path / "a.csv"), delimiter=delimiter)
