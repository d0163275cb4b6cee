"""Look-alikes of the tables that tests/wild tries, each with the quirks of its kind."""

import numpy as np

from tests.helpers import looks
from tests.helpers.looks import Look, Maker, counts, cycled, numbers, texts


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
        "Origin": [f"A{k:02d}" for k in looks.random.integers(0, 60, n)],
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
        "hospital": [str(k) for k in looks.random.permutation(np.arange(518476, 5305629, 79000))[:n]],
        "temperature": numbers(n, ".2f", 1, 38, "?"),
        "pulse": counts(n, 30, 180, "?"),
        "fluid": ["?" if looks.random.random() < 0.8 else "2" for _ in range(n)],
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


REAL: tuple[Maker, ...] = (
    *(adult, covtype, wine, airline, credit, lightgbm, sas),
    *(abalone, imports, breast, horse, diamonds),
)
