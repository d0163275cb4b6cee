"""The fields of a text table: numbers, missing values, and why a field is no number."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.A)
COMMA = re.compile(r"[-+]?(\d+,?\d*|,\d+)([eE][-+]?\d+)?", re.A)
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.A)
MISSING = frozenset(
    ["", "?", "na", "n/a", "nan", "-nan", "null", "#n/a", "#na", "#n/a n/a", "<na>", "\\n", "1.#qnan", "-1.#ind"]
)  # whatever the case
BESIDE_NUMBERS = frozenset(["none", "-", "--", ".", "#div/0!", "#value!"])  # missing too, in a column of numbers
SPELLED = ("", "?", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "-", ".", "n/a", "na", "NAN", "\\N")
SHOWN = 40  # characters of a field in a message
LONG = 100  # characters of a field that repairs are tried on
MOST = 0.9  # of the fields of a column: nearly all
CODES = 20  # different fields, at most, of a column of codes
SEEN = 5  # texts among numbers, at least, that are no mistakes
SIGNS = 3  # different signs of missing values, at most
DISTINCT = 200  # fields that show what a column means
REPAIRS = (  # pattern, replacement, how the field is then written
    (r"^'(.*)'$", r"\1", "without quotes"),
    (r"(?<=\d)[\s_'\u2019](?=\d)", "", "without separators"),
    (r"^[-+]?[$\u20ac\u00a3\u00a5]\s*|\s*[%$\u20ac\u00a3\u00a5]$", "", "without the sign"),
    ("\u2212", "-", "with the ASCII sign -"),
    (r"(?<=\d)[dD](?=[-+]?\d+$)", "e", "with an e before the exponent"),
    (r"(?<=\d),(?=\d{3}(\D|$))", "", "without the thousands separator"),
    (r"\.(?=\d{3}(\D|$))", "", "without the thousands separator"),
    (",", ".", "with a decimal point"),
    (r"^([-+]?\d{1,3})\.(\d{3}),(\d+)$", r"\1\2.\3", "without the thousands separator and with a decimal point"),
    (
        r"\s*[$\u20ac\u00a3\u00a5%]\s*|(?<=\d)['\u2019\u00a0\u202f](?=\d{3})|(?<=\d),(?=\d{3}(\D|$))",
        "",
        "without sign and separators",
    ),
)
CERTAIN = (2, 3, 4, 5, 7, 8, 9)  # repairs of what is meant as a number
INFINITE = ("inf", "infinity")


def number(text: str, decimal: str = ".") -> bool:
    """Is this a number: digits with a decimal sign and an exponent? Not 1_000, 0x1, inf, nan or non-ASCII digits."""
    return (NUMBER if decimal == "." else COMMA).fullmatch(text) is not None


def value(text: str, decimal: str = ".") -> float:
    """The number."""
    return float(text if decimal == "." else text.replace(",", "."))


def absent(text: str, missing: Sequence[str], numbers: bool) -> bool:
    """Does the field stand for a missing value, in a column of numbers or of text?

    >>> absent("NaN", (), False), absent("none", (), True), absent("none", (), False), absent("x", ["x"], False)
    (True, True, False, True)
    """
    low = text.lower()
    return low in MISSING or text in missing or (numbers and low in BESIDE_NUMBERS)


@dataclass(frozen=True)
class Shares:
    """Of the fields of a column: how many are numbers, how many are other text and not missing; how many differ."""

    numbers: int
    texts: int
    different_numbers: int
    different_texts: int

    @property
    def codes(self) -> bool:
        """Are they text although at least half are numbers? Few different fields, or many different texts, are codes.

        Few texts among many numbers are more likely unknown signs of missing values.
        """
        few = self.different_numbers + self.different_texts <= CODES
        many = self.texts >= SEEN and self.numbers < MOST * (self.numbers + self.texts)
        return many and (few or self.different_texts > SIGNS)


def shares(values: Iterable[str], missing: Sequence[str], decimal: str) -> Shares:
    """Count the fields of a column."""
    numbers, texts = [], []
    for text, count in Counter(values).items():
        if number(text, decimal):
            numbers.append(count)
        elif not absent(text, missing, numbers=True):
            texts.append(count)
    return Shares(sum(numbers), sum(texts), len(numbers), len(texts))


def repaired(text: str, among: Iterable[int] = range(len(REPAIRS)), decimal: str = ".") -> tuple[str, str] | None:
    """How the field is written as a number, and that number; None if it is other text."""
    for pattern, by, how in (REPAIRS[i] for i in among):
        plain = re.sub(pattern, by, text[:LONG])
        if plain != text and number(plain, decimal):
            return how, plain
    return None


def meant(values: Sequence[str], missing: Sequence[str], decimal: str) -> str | None:
    """The first field that must be rewritten, of a column nearly all of whose fields are meant as numbers."""
    some = list(dict.fromkeys(values))[:DISTINCT]
    given = [text for text in some if not absent(text, missing, numbers=True)]
    bad = [text for text in given if not number(text, decimal)]
    certain = (*CERTAIN, 6) if decimal == "," else CERTAIN
    wrong = sum(1 for text in bad if repaired(text, certain, decimal))
    return bad[0] if bad and wrong >= MOST * len(bad) else None


def cause(text: str, decimal: str) -> str:
    """Why a field is not a number, and the cure.

    >>> cause("1,234", ".")
    "'1,234' is not a number: write it without the thousands separator, 1234"
    """
    said = f"{text[:SHOWN]!r} is not a number"
    if text.lower().lstrip("+-") in INFINITE:
        return f"{said}: it is not finite"
    if decimal == "," and NUMBER.fullmatch(text):
        return f'{said} with a decimal comma; set data.decimal = "." if all columns have points'
    if found := repaired(text, decimal=decimal):
        return f"{said}: write it {found[0]}, {found[1]}"
    if not text.isprintable() or "\ufffd" in text:
        return f"{said}; the file may be damaged, or may not be text"
    return said
