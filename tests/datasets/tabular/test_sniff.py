"""Which tables are told from a sample: headers, kinds, delimiters, other programs' preambles."""

from pathlib import Path

import pytest

from tests.helpers.text_tables import read, values


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
