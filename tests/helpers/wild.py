"""Small made-up look-alikes of tables as users have them, each with the quirks of its kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Cells = list[str]
random = np.random.default_rng(14)


@dataclass(frozen=True)
class Look:
    """A table as text: its columns, by name, and how they are written.

    target: the column of the labels, or several. quote: around text cells; head: around names ("" none).
    labels: what a class is called by the network, if not as in the file. options: further keys of [data].
    before: lines at the beginning of the file; trailing: after each row. row_names: without a name in the header.
    """

    columns: dict[str, Cells]
    target: str | list[str]
    options: dict[str, Any] = field(default_factory=dict)
    loss: str = "cross-entropy"
    separator: str = ","
    header: bool = True
    quote: str = ""
    head: str = ""
    newline: str = "\n"
    before: str = ""
    trailing: str = ""
    encoding: str = "utf-8"
    row_names: bool = False
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def truth(self) -> Cells:
        """The label of each row, as the network calls its class."""
        assert isinstance(self.target, str)
        return [self.labels.get(cell, cell) for cell in self.columns[self.target]]

    @property
    def others(self) -> list[str]:
        """The names of the columns without the target."""
        return [name for name in self.columns if name not in np.atleast_1d(self.target)]

    def written(self, names: Sequence[str] | None = None) -> bytes:
        """The file with these columns, in this order (default: all)."""
        names = list(self.columns) if names is None else list(names)
        lines = [self.separator.join(f"{self.head}{name}{self.head}" for name in names)] if self.header else []
        rows = zip(*(self.columns[name] for name in names), strict=True)
        lines += [self._line(k, row) for k, row in enumerate(rows, 1)]
        text = self.before + "".join(line + self.newline for line in lines)
        return text.encode(self.encoding)

    def _line(self, number: int, row: Sequence[str]) -> str:
        first = [f'"{number}"'] if self.row_names else []
        return self.separator.join([*first, *map(self._cell, row)]) + self.trailing

    def _cell(self, text: str) -> str:
        number = text.lstrip("-").replace(".", "", 1).isdecimal()
        return (
            text
            if number or not self.quote or text == "nan" or self.quote in text
            else f"{self.quote}{text}{self.quote}"
        )

    def part(self, start: int, stop: int, **changes: Any) -> "Look":
        """Some of its rows."""
        return replace(self, columns={name: cells[start:stop] for name, cells in self.columns.items()}, **changes)


def numbers(rows: int, how: str = ".3f", scale: float = 1.0, shift: float = 0.0, missing: str = "") -> Cells:
    """Normal numbers; with `missing`, this text in a fifth of the cells."""
    cells = [format(x, how) for x in scale * random.standard_normal(rows) + shift]
    return [missing if missing and random.random() < 0.2 else cell for cell in cells]


def counts(rows: int, low: int, high: int, missing: str = "") -> Cells:
    """Whole numbers in [low, high)."""
    cells = [str(x) for x in random.integers(low, high, rows)]
    return [missing if missing and random.random() < 0.2 else cell for cell in cells]


def texts(rows: int, *values: str) -> Cells:
    """One of these values a row, each of them at least once."""
    return [values[k] for k in random.permutation([*range(len(values)), *random.integers(0, len(values), rows)])[:rows]]


def cycled(rows: int, *values: str) -> Cells:
    """The values in turn."""
    return [values[k % len(values)] for k in range(rows)]


def adult(n: int = 60) -> Look:
    """No header, ", " between cells, "?" missing."""
    columns = {
        "age": counts(n, 17, 90),
        "class": texts(n, "Private", "State-gov", "?", "Never-worked"),
        "weight": counts(n, 20000, 400000),
        "education": texts(n, "Bachelors", "HS-grad", "11th"),
        "sex": texts(n, "Male", "Female"),
        "gain": texts(n, "0", "0", "0", "2174"),
        "hours": counts(n, 1, 99),
        "country": texts(n, "United-States", "Mexico", "?"),
        "income": texts(n, "<=50K", ">50K"),
    }
    return Look(columns, "income", header=False, separator=", ")


def covtype(n: int = 56) -> Look:
    """Header, columns of 0 and 1 of which some are constant, labels 1 to 7 at the end."""
    soil = {f"Soil_Type_{k}": texts(n, "0", "1") if k < 3 else ["0"] * n for k in range(1, 5)}
    slopes = {"Elevation": counts(n, 1800, 3800), "Aspect": counts(n, 0, 360)}
    return Look({**slopes, **soil, "Cover_Type": cycled(n, *"1234567")}, "Cover_Type")


def wine(n: int = 50) -> Look:
    """Semicolons, quoted names with blanks, ordinal labels."""
    columns = {name: numbers(n, ".4g", 2.0, 9.0) for name in ("fixed acidity", "residual sugar", "pH", "alcohol")}
    return Look(columns | {"quality": texts(n, "3", "5", "6", "7", "9")}, "quality", separator=";", head='"')


def airline(n: int = 60) -> Look:
    """NA missing, also in whole columns; constants; text of many values; a target of two that is named."""
    columns = {
        "Year": ["1987"] * n,
        "DepTime": counts(n, 600, 2300, "NA"),
        "UniqueCarrier": texts(n, "PS", "UA", "US"),
        "FlightNum": counts(n, 1, 2000),
        "TailNum": ["NA"] * n,
        "Origin": [f"A{k:02d}" for k in random.integers(0, 60, n)],
        "Distance": counts(n, 100, 2000, "NA"),
        "IsArrDelayed": texts(n, "YES", "NO"),
        "IsDepDelayed": texts(n, "YES", "NO"),
    }
    return Look(columns, "IsDepDelayed", {"target": "IsDepDelayed", "ignore": ["IsArrDelayed"]})


def credit(n: int = 50) -> Look:
    """No header, codes, labels 1 and 2."""
    columns = {
        "status": texts(n, "A11", "A12", "A14"),
        "months": counts(n, 4, 60),
        "purpose": texts(n, "A40", "A43", "A410"),
        "amount": counts(n, 250, 18000),
        "foreign": texts(n, "A201", "A202"),
        "risk": texts(n, "1", "2"),
    }
    return Look(columns, "risk", header=False)


def lightgbm(n: int = 60) -> Look:
    """TAB, no header, label first."""
    columns = {"label": texts(n, "1", "0"), **{f"x{k}": numbers(n) for k in range(6)}}
    return Look(columns, "label", {"target": "first"}, header=False, separator="\t")


def sas(n: int = 60) -> Look:
    """Header, all digits, label last."""
    columns = {f"jet_{k}_pt": numbers(n, ".9f") for k in range(5)}
    return Look(columns | {"label": texts(n, "0", "1")}, "label")


def abalone(n: int = 50) -> Look:
    """Text first, no header, a regression."""
    columns = {"sex": texts(n, "M", "F", "I"), **{f"x{k}": numbers(n, ".4g", 0.1, 0.5) for k in range(4)}}
    return Look(columns | {"rings": counts(n, 1, 29)}, "rings", loss="squared", header=False)


def imports(n: int = 60) -> Look:
    """ "?" in a column of numbers, number words, no header, a regression."""
    columns = {
        "symboling": counts(n, -2, 4),
        "losses": counts(n, 65, 256, "?"),
        "make": texts(n, "alfa-romero", "audi", "bmw", "saab"),
        "doors": texts(n, "two", "four", "?"),
        "length": numbers(n, ".2f", 10, 170),
        "bore": numbers(n, ".2f", 0.2, 3.3, "?"),
        "price": counts(n, 5000, 40000),
    }
    return Look(columns, "price", loss="squared", header=False)


def breast(n: int = 50) -> Look:
    """'Single quotes' around everything but nan; ranges such as 40-49 and digits in quotes; no header."""
    columns = {
        "age": texts(n, "30-39", "40-49", "50-59"),
        "nodes": texts(n, "0-2", "3-5"),
        "caps": texts(n, "yes", "no", "nan"),
        "grade": [f"'{cell}'" for cell in texts(n, "1", "2", "3")],
        "class": texts(n, "recurrence-events", "no-recurrence-events"),
    }
    return Look(columns, "class", header=False, quote="'")


def horse(n: int = 60) -> Look:
    """Half the cells "?", zeros in front of numbers, ids, the label in the middle."""
    columns = {
        "surgery": counts(n, 1, 3, "?"),
        "hospital": [str(k) for k in random.permutation(np.arange(518476, 5305629, 79000))[:n]],
        "temperature": numbers(n, ".2f", 1, 38, "?"),
        "pulse": counts(n, 30, 180, "?"),
        "fluid": ["?" if random.random() < 0.8 else "2" for _ in range(n)],
        "lesion": texts(n, "1", "2"),
        "kind": texts(n, "00000", "02208", "11300"),
        "data": texts(n, "1", "2"),
    }
    return Look(columns, "lesion", {"target": 5}, header=False)


def diamonds(n: int = 60) -> Look:
    """Header and text in quotes, the target in the middle, a regression."""
    columns = {
        "carat": numbers(n, ".2f", 0.2, 0.9),
        "cut": texts(n, "Ideal", "Premium", "Very Good"),
        "color": texts(n, *"DEFGHIJ"),
        "price": counts(n, 326, 18000),
        "x": numbers(n, ".2f", 1, 5),
    }
    return Look(columns, "price", {"target": "price"}, loss="squared", quote='"', head='"')


def titanic(n: int = 60) -> Look:
    """Names with commas in quotes, tickets, empty cells, a target in the middle, an id first."""
    columns = {
        "PassengerId": [str(k) for k in range(1, n + 1)],
        "Survived": texts(n, "0", "1"),
        "Pclass": counts(n, 1, 4),
        "Name": [f'"Doe, Mr. ""{k}"" Jan"' for k in range(n)],
        "Sex": texts(n, "male", "female"),
        "Age": numbers(n, ".1f", 12, 40, " ").copy(),
        "Cabin": texts(n, "", "", "", "C85", "E46"),
        "Embarked": texts(n, "S", "C", "Q", ""),
    }
    return Look(columns, "Survived", {"target": "Survived"})


def telco(n: int = 60) -> Look:
    """Customer ids, Yes / No, blank totals, CRLF."""
    columns = {
        "customerID": [f"{k:04d}-VHVEG" for k in random.permutation(n)],
        "SeniorCitizen": counts(n, 0, 2),
        "Partner": texts(n, "Yes", "No"),
        "tenure": counts(n, 0, 72),
        "TotalCharges": numbers(n, ".2f", 300, 2000, " "),
        "Churn": texts(n, "No", "Yes"),
    }
    return Look(columns, "Churn", newline="\r\n")


def bank(n: int = 60) -> Look:
    """Semicolons and quotes, "unknown"."""
    columns = {
        "age": counts(n, 18, 90),
        "job": texts(n, "admin.", "blue-collar", "unknown"),
        "balance": counts(n, -500, 5000),
        "month": texts(n, "may", "jun", "dec"),
        "pdays": texts(n, "-1", "-1", "180"),
        "y": texts(n, "no", "yes"),
    }
    return Look(columns, "y", separator=";", quote='"', head='"')


def european(n: int = 50) -> Look:
    """Decimal commas, semicolons, dates by day, a byte order mark."""
    columns = {
        "Datum": [f"{k % 28 + 1:02d}.{k % 12 + 1:02d}.2024" for k in range(n)],
        "Menge": [cell.replace(".", ",") for cell in numbers(n, ".2f", 9, 40)],
        "Größe": [cell.replace(".", ",") for cell in numbers(n, ".3f")],
        "Klasse": texts(n, "gut", "schlecht"),
    }
    return Look(columns, "Klasse", separator=";", encoding="utf-8-sig", newline="\r\n")


def excel(n: int = 50) -> Look:
    """The line sep=;"""
    columns = {"a": numbers(n), "b": counts(n, 0, 9, ""), "label": texts(n, "x", "y")}
    return Look(columns, "label", separator=";", before="sep=;\r\n", newline="\r\n")


def write_table(n: int = 50) -> Look:
    """R's write.table: row names without a name, blanks, quotes, NA."""
    columns = {"Sepal.Length": numbers(n, ".1f", 1, 6), "Petal.Width": numbers(n, ".1f", 1, 2, "NA")}
    return Look(
        columns | {"Species": texts(n, "setosa", "virginica")},
        "Species",
        separator=" ",
        quote='"',
        head='"',
        row_names=True,
    )


def cities(n: int = 50) -> Look:
    """Latin-1."""
    columns = {"Stadt": texts(n, "Köln", "Zürich", "Genève"), "x": numbers(n), "Wahl": texts(n, "für", "wider")}
    return Look(columns, "Wahl", encoding="latin-1")


def pandas(n: int = 50) -> Look:
    """An index without a name."""
    columns = {
        "": [str(k) for k in range(n)],
        "x": numbers(n, ""),
        "z": numbers(n, "", missing=""),
        "y": counts(n, 0, 3),
    }
    return Look(columns, "y")


def iris(n: int = 60) -> Look:
    columns = {name: numbers(n, ".1f", 1, 5) for name in ("sepal_length", "sepal_width", "petal_length")}
    return Look(columns | {"species": cycled(n, "Iris-setosa", "Iris-versicolor", "Iris-virginica")}, "species")


def mushrooms(n: int = 60) -> Look:
    """Nothing but letters, the label first."""
    columns = {
        "class": texts(n, "p", "e"),
        "cap-shape": texts(n, *"xbsf"),
        "odor": texts(n, *"pal?"),
        "veil": ["p"] * n,
    }
    return Look(columns, "class", {"target": "first"})


def mushrooms_bare(n: int = 60) -> Look:
    """The same without a header."""
    return replace(mushrooms(n), header=False)


def sonar(n: int = 50) -> Look:
    """No header, R and M last."""
    return Look({**{f"b{k}": numbers(n, ".4f") for k in range(6)}, "label": texts(n, "R", "M")}, "label", header=False)


def ionosphere(n: int = 50) -> Look:
    """No header, a constant, g and b last."""
    columns = {"one": texts(n, "1", "0"), "zero": ["0"] * n, **{f"x{k}": numbers(n, ".5f") for k in range(4)}}
    return Look(columns | {"label": texts(n, "g", "b")}, "label", header=False)


def pima(n: int = 50) -> Look:
    """No header, whole numbers, 0 and 1 last."""
    columns = {"pregnant": counts(n, 0, 12), "glucose": counts(n, 60, 200), "bmi": numbers(n, ".1f", 5, 30)}
    return Look(columns | {"label": texts(n, "0", "1")}, "label", header=False)


def housing(n: int = 50) -> Look:
    """Runs of blanks, also at the beginning of lines; a regression."""
    columns = {f"x{k}": [cell.rjust(10) for cell in numbers(n, ".5f", 9, 20)] for k in range(4)}
    columns["medv"] = [cell.rjust(8) for cell in numbers(n, ".2f", 5, 22)]
    return Look(columns, "medv", loss="squared", header=False, separator=" ")


def airfoil(n: int = 50) -> Look:
    """TAB, no header, a regression."""
    columns = {"hertz": counts(n, 200, 20000), "angle": numbers(n, ".1f"), "decibel": numbers(n, ".3f", 7, 124)}
    return Look(columns, "decibel", loss="squared", header=False, separator="\t")


def energy(n: int = 50) -> Look:
    """Two targets."""
    columns = {f"X{k}": numbers(n, ".2f") for k in range(4)} | {f"Y{k}": numbers(n, ".2f", 9, 22) for k in (1, 2)}
    return Look(columns, ["Y1", "Y2"], {"target": ["Y1", "Y2"]}, loss="squared")


def bikes(n: int = 60) -> Look:
    """Dates, an index that counts rows, a regression."""
    columns = {
        "instant": [str(k) for k in range(1, n + 1)],
        "dteday": [f"2011-{k // 28 + 1:02d}-{k % 28 + 1:02d}" for k in range(n)],
        "season": counts(n, 1, 5),
        "temp": numbers(n, ".6f", 0.2, 0.5),
        "cnt": counts(n, 20, 8000),
    }
    return Look(columns, "cnt", loss="squared")


def signed(n: int = 50) -> Look:
    """Labels -1 and +1, floats for class numbers."""
    columns = {"x": numbers(n), "z": numbers(n, ".2e"), "y": texts(n, "-1", "+1")}
    return Look(columns, "y", labels={"+1": "1"})


def floats(n: int = 50) -> Look:
    """Labels such as 1.0, comment lines, some rows without a label."""
    columns = {"x": numbers(n), "flag": texts(n, "true", "false"), "y": texts(n, "1.0", "2.0", "3.0", "")}
    return Look(columns, "y", before="# made by hand\n# twice\n", labels={"1.0": "1", "2.0": "2", "3.0": "3"})


Maker = Callable[[], Look]
REAL: tuple[Maker, ...] = (
    *(adult, covtype, wine, airline, credit, lightgbm, sas),
    *(abalone, imports, breast, horse, diamonds),
)
OTHERS: tuple[Maker, ...] = (
    *(titanic, telco, bank, european, excel, write_table, cities, pandas, iris, mushrooms, mushrooms_bare, sonar),
    *(ionosphere, pima, housing, airfoil, energy, bikes, signed, floats),
)
