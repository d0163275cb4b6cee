"""data inspect of a table: every column, what it holds and what it becomes."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hpcadmm.cli import hpcadmm

LINES = """id;Größe;city;when;empty;label
1;1,5;Ulm;31.12.2023;;yes
2;;Bonn;01.01.2024;;no
3;2,5;Ulm;02.01.2024;;yes.
4;3,5;;03.01.2024;;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = LINES.splitlines()
    city = {0: "", 1: "Bonn"}
    more = [
        f"{i};{i % 7},25;{city.get(i % 5, 'Ulm')};{1 + i % 28}.2.2024;;{'no' if i % 3 else 'yes'}" for i in range(5, 60)
    ]
    file = tmp_path / "a.csv"
    file.write_text("\n".join([*rows, *more, ""]), encoding="latin-1")
    return file


def inspected(path: Path, *options: str) -> str:
    done = CliRunner().invoke(hpcadmm, ["data", "inspect", str(path), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_json_holds_every_column(path: Path) -> None:
    found = json.loads(inspected(path, "--json"))["train"]
    rows: dict[str, Any] = {row["column"]: row for row in found["table"]}
    assert {name: row["becomes"] for name, row in rows.items()} == {
        "id": "left out: a different whole number in each row, like an id",
        "Größe": "number, missing",
        "city": "2 categories, missing",
        "when": "date (%d.%m.%Y)",
        "empty": "left out: no value in the train part",
        "label": "target: 2 classes",
    }
    assert [rows["Größe"][key] for key in ("type", "missing", "distinct", "minimum", "maximum")] == [
        *("number", 1, 10, 0.25, 6.25)
    ]
    assert rows["city"]["frequent"] == {"Ulm": 35, "Bonn": 12}
    assert found["columns"][:3] == ["Größe", "Größe (missing)", "city = Bonn"]
    assert found["classes"] == {"no": 38, "yes": 20}
    assert found["samples"] == 58
    assert any("1 rows without a target are left out" in line for line in found["facts"])
    assert any('data.types.id = "number"' in line for line in found["facts"])


def test_the_table_and_keys(path: Path) -> None:
    options = ["types.id=number", "data.types.when=ignore", "target=Größe", "categories.most=1"]
    said = inspected(path, *(text for option in options for text in ("--set", option)))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if "│" in line]
    assert [row[0] for row in rows] == ["id", "Größe", "city", "when", "empty", "label"]
    assert rows[0][1:] == ["number", "0", "59", "1 to 59", "number", "1"]
    assert rows[1][5] == "target of a regression"
    assert rows[2][4:] == ["Ulm (35), Bonn (12)", "1 categories, other, missing", "3"]
    assert rows[3][5] == "left out: ignored"
