"""Damaged tables: one message that names file, line and column, the same on every rank."""

import gzip
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hpcadmm.datasets.tabular.dialect import Dialect
from hpcadmm.datasets.tabular.reading import blocks
from hpcadmm.datasets.tabular.text import read_text
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks

ADULT = "".join(
    f"{20 + i % 50}, {('Private', '?')[i % 9 == 0]}, {7 * i}, {('<=50K', '>50K')[i % 3 == 0]}\n" for i in range(60)
)
WINE = '"fixed acidity";"pH";"quality"\n' + "".join(f"{i % 7 + 0.25};3.{i};{i % 3 + 4}\n" for i in range(60))
FLIGHTS = "Year,Origin,Delay\n" + "".join(f"198{i % 9},{'SAN' if i % 2 else 'Orléans'},{i}\n" for i in range(60))
HIGGS = "".join(f"{i % 2}\t0.{i}\t-{i}.5\n" for i in range(60))
CANCER = "".join(f"'{30 + i % 3}-{39 + i % 3}','left',{i}\n" for i in range(60))


def line(text: str, number: int, change: Callable[[str], str]) -> str:
    """The text with one line (from 1; -1 is the last) changed."""
    lines = text.splitlines(keepends=True)
    number -= number > 0
    lines[number] = change(lines[number])
    return "".join(lines)


def field(number: int, to: str, sign: str = ",") -> Callable[[str], str]:
    """Replace one field, from 1, of a line."""
    return lambda one: sign.join(to if i == number else f for i, f in enumerate(one.rstrip("\n").split(sign), 1)) + "\n"


MUTATIONS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "the file is empty"),
    "blank": ("\n  \n\n", "the file is empty"),
    "a header only": (WINE.splitlines()[0] + "\n", "line 1: .*no rows"),
    "cut in a line": (ADULT[:-14], "line 60: has 2 columns, the others have 4; the file ends"),
    "cut after a delimiter": (WINE[:-3], "line 61"),
    "text at the top": (
        line(HIGGS, 1, field(2, "x", "\t")),
        r"line 1, column 2: 'x' is not a number; .*data\.types\.2",
    ),
    "text in the middle": (
        line(WINE, 31, field(2, "low", ";")),
        r"line 31, column 2 \(pH\): 'low' .*data\.types\.pH = \"category\"",
    ),
    "text at the end": (line(HIGGS, -1, field(3, "end", "\t")), "line 60, column 3: 'end' is not a number"),
    "a word for missing": (
        line(FLIGHTS, 9, field(3, "missing")),
        r"line 9, column 3 \(Delay\): .*data\.missing = \[\"missing\"\]",
    ),
    "too many fields": (
        line(FLIGHTS, 40, lambda one: "x," + one),
        "line 40: has 4 columns, the others have 3; correct",
    ),
    "too few fields": (
        line(HIGGS, 7, lambda one: one.split("\t")[0] + "\n"),
        "line 7: has 1 columns, the others have 3",
    ),
    "a short first line": (line(HIGGS, 1, lambda one: "1\t2\n"), "line 1: has 2 columns, the others have 3"),
    "a name too many": ("a,b,c,d\n" + FLIGHTS[18:], "line 1: the header has 4 names, the rows have 3 columns"),
    "a name twice": (
        "Year,Origin,Year\n" + FLIGHTS[18:],
        r"line 1: the header has the name 'Year' twice \(columns 1 and 3\)",
    ),
    "a name with quotes twice": (WINE.replace("pH", "quality", 1), "line 1: .*'quality' twice"),
    "NUL": (line(WINE, 20, lambda one: one[:3] + "\0" + one[3:]), "line 20.* NUL bytes"),
    "a control character": (line(WINE, 20, lambda one: one[:3] + "\1" + one[3:]), "line 20.* control character 0x01"),
    "binary": (bytes(range(256)) * 9, r"line \d"),
    "binary after text": (WINE.encode() + b"\xfe\x81\x00\x03" * 99, "line 62"),
    "mixed encodings": (FLIGHTS.encode() + "1999,Zürich,3\n".encode("cp1252"), "line 62, byte 7: .*mixes encodings"),
    "not even Latin": (b"a,b\n1,\x81\x8d\n", "line 2, byte 3: the byte 0x81 belongs to no text"),
    "an open quote": (line(FLIGHTS, 30, field(2, '"SAN')), "line 30: the quote that opens in .* is not closed"),
    "an open quote at the end": (line(FLIGHTS, -1, field(2, '"SAN')), "line 61: the quote that opens in"),
    "an open single quote": (line(CANCER, 30, field(2, "'left")), "line 30"),
    "two open quotes": (
        line(line(FLIGHTS, 30, field(2, '"SAN')), 50, field(2, '"SAN')),
        "line 30: a field in quotes spans 21 lines: is one quote part",
    ),
    "thousands": (re.sub(r",(\d+)\n", r',"1,\1\1\1"\n', ADULT.replace(", ", ",")), ""),
    "a thousand": (
        line(FLIGHTS, 11, field(3, '"1,234"')),
        r"line 11, column 3 \(Delay\): '1,234' .*thousands separator, 1234",
    ),
    "all with thousands": (
        "a;b\n" + "".join(f"{i},{i}{i}{i};x\n" for i in range(1, 9)),
        'line 2: .*decimal comma.*data.decimal = ","',
    ),
    "a decimal comma": (line(HIGGS, 12, field(2, "1,5", "\t")), "line 12, column 2: '1,5' .*with a decimal point, 1.5"),
    "a currency": (line(FLIGHTS, 13, field(3, "$5")), "line 13, column 3.*without the sign, 5"),
    "all with a currency": (
        re.sub(r",(\d+)\n", r",$\1\n", FLIGHTS),
        r"line 2, column 3 \(Delay\): '\$0' .*without the sign, 0",
    ),
    "several signs": (
        "a,b\n" + "".join(f'{i},"$1,{i}00.5"\n' for i in range(1, 9)),
        r"line 2, column 2 \(b\): .*1100.5",
    ),
    "1.234,5": ("a;b\n" + "".join(f"{i};1.{i}00,5\n" for i in range(1, 9)), r"line 2, column 2 \(b\): .*1100.5"),
    "an unknown sign of missing": (
        "a,b\n" + "".join(f"{i}.5,{'unsaid' if i % 4 == 0 else i}\n" for i in range(80)),
        r'line 2, column 2 \(b\): .*data.missing = \["unsaid"\]',
    ),
    "infinity": (line(HIGGS, 14, field(2, "-inf", "\t")), "line 14, column 2: '-inf' .*not finite"),
    "hexadecimal": (line(HIGGS, 15, field(2, "0x1F", "\t")), "line 15, column 2: '0x1F' is not a number"),
    "a script": (line(HIGGS, 16, field(2, "1_000", "\t")), "line 16, column 2: '1_000' .*without separators, 1000"),
    "a minus": (line(HIGGS, 17, field(2, "\u22121", "\t")), "line 17, column 2: .*ASCII sign -"),
    "too large": (line(HIGGS, 18, field(2, "1e999", "\t")), "line 18, column 2: 1e999 is too large"),
    "after the last delimiter": (
        FLIGHTS.replace("\n", ",\n").replace(",33,\n", ",33,9\n"),
        r"line 35, column 3 .*'9' follows",
    ),
    "HTML": ("<!DOCTYPE html>\n<html></html>\n", "HTML page"),
    "zip": (b"PK\x03\x04" + bytes(99), "zip archive"),
    "a cut gzip": (gzip.compress(FLIGHTS.encode())[:-40], "gzip file is damaged or incomplete"),
    "a garbled gzip": (gzip.compress(FLIGHTS.encode(), mtime=0)[:60] + bytes(99), "gzip file is damaged or incomplete"),
}
del MUTATIONS["thousands"]


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_has_one_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LEAST", 1)
    monkeypatch.setattr(blocks, "BLOCK", 100)
    content, said = MUTATIONS[name]
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    messages = {message for ranks in (1, 2, 3) for message in on_ranks(ranks, lambda world: refusal(path, world))}
    (message,) = messages
    assert re.search(said, message), message
    assert message.startswith(f"{path}: ")


def refusal(path: Path, world: Any, **asked: Any) -> str:
    with pytest.raises(UsageError) as caught:
        read_text(path, Dialect(**asked), world)
    return str(caught.value)


def test_faults_beyond_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first megabyte does not show is found where it is parsed."""
    import hpcadmm.datasets.tabular.sniff.sample as sample

    monkeypatch.setattr(sample, "SMALL", 100)
    monkeypatch.setattr(sample, "TOP", 300)
    monkeypatch.setattr(blocks, "LEAST", 1)
    monkeypatch.setattr(blocks, "BLOCK", 200)
    path = tmp_path / "a.csv"
    plain = FLIGHTS.replace("\u2019", "'")
    for content, said in (
        (
            plain.encode() + "1999,Zürich,3\n".encode("cp1252"),
            r"line 62, column 2 \(Origin\): the byte 0xfc is not UTF-8; .*cp1252",
        ),
        (plain.encode() + b"1999,S\0N,3\n", "line 62: contains NUL bytes"),
        (plain.encode() + b'1999,"SAN,3\n', "line 62: the quote that opens"),
        (gzip.compress(plain.encode() + b"1999,SAN,x\n"), "line 62, column 3"),
    ):
        path.write_bytes(content)
        messages = {m for ranks in (1, 2, 3) for m in on_ranks(ranks, lambda world: refusal(path, world))}
        assert re.search(said, messages.pop()), content
        assert not messages


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"delimiter": "ab"}, "data.delimiter = 'ab': must be one character"),
        ({"quote": "x"}, "data.quote"),
        ({"decimal": "x"}, "data.decimal"),
        ({"decimal": ",", "delimiter": ","}, "cannot be both"),
        ({"encoding": "klingon"}, "data.encoding = 'klingon'"),
        ({"encoding": "base64"}, "data.encoding = 'base64'"),
    ],
)
def test_options_that_no_table_can_have(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Dialect(**asked)


def test_the_wrong_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("a,b\nZürich,1\nBern,2\n".encode("cp1252"))
    for encoding in ("utf-8", "utf-16", "ascii"):
        with pytest.raises(UsageError, match=rf"line \d: is not {encoding} text .*set data\.encoding"):
            on_ranks(2, partial(read_text, tmp_path / "a.csv", Dialect(encoding=encoding)))


CODE = """
import json, sys
from pathlib import Path
from hpcadmm.comm.world import World
from hpcadmm.datasets.tabular.reading import blocks
from hpcadmm.datasets.tabular.dialect import Dialect
from hpcadmm.datasets.tabular.text import read_text
from hpcadmm.errors import UsageError
blocks.LEAST, blocks.BLOCK = 1, 100
world, said = World(), {}
for path in sorted(Path("files").iterdir()):
    try:
        read_text(path, Dialect(), world)
    except UsageError as error:
        said[path.name] = str(error)
everyone = world.gather(said)
assert all(one == everyone[0] for one in everyone)
if world.first:
    print(json.dumps(said))
"""


def test_messages_on_three_ranks(mpirun: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for name, (content, _) in MUTATIONS.items():
        (tmp_path / "files" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    said = json.loads(mpirun(3, CODE).check().stdout)
    assert set(said) == set(MUTATIONS)
    for name, message in said.items():
        assert re.search(MUTATIONS[name][1], message), message
