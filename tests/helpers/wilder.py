"""Look-alikes of other tables as users have them, each with the quirks of its kind."""

from dataclasses import replace

from tests.helpers import looks
from tests.helpers.looks import Look, Maker, counts, cycled, numbers, texts


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
        "customerID": [f"{k:04d}-VHVEG" for k in looks.random.permutation(n)],
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


OTHERS: tuple[Maker, ...] = (
    *(titanic, telco, bank, european, excel, write_table, cities, pandas, iris, mushrooms, mushrooms_bare, sonar),
    *(ionosphere, pima, housing, airfoil, energy, bikes, signed, floats),
)
