"""The delimiter and the quote of a text table."""

import re
from collections import Counter
from collections.abc import Sequence

from hpcadmm.datasets.tabular.sniff.fields import absent, number
from hpcadmm.datasets.tabular.sniff.records import records, starts

STRONG = ("\t", ";", ",", "|", "^")  # in the order of preference
PREFIXES = ("#", "%", "//")  # of comments
LINES = 500  # that show the delimiter
LEAST = 0.5  # of the records have equally many fields
PERFECT, GOOD, AHEAD = (
    (1.4, 0.0),
    (1.1, 0.0),
    0.3,
)  # scores of blanks that beat a delimiter, which they must be ahead of
SHARE = 0.5  # of the lines hold a field in single quotes, if these quote


def quote_of(lines: Sequence[str]) -> str:
    """The sign around fields: single quotes if most lines have such fields, and none in double quotes."""
    single = re.compile(r"(?:^|[,;\t|^: ])'[^']*'(?=[,;\t|^: \r\n]|$)")
    double = re.compile(r'(?:^|[,;\t|^: ])"[^"]*"(?=[,;\t|^: \r\n]|$)')
    count = sum(1 for line in lines[:LINES] if single.search(line))
    return "'" if count > SHARE * len(lines[:LINES]) and not any(map(double.search, lines[:LINES])) else '"'


def delimiter_of(lines: Sequence[str], quote: str) -> str:
    """The delimiter that cuts the most records into equally many clean fields; "," if none does.

    Blanks and ":", which also stand within fields, are tried last.
    """
    shown = [line for line in lines[:LINES] if not any(starts(line, prefix) for prefix in PREFIXES)] or lines[:LINES]
    scores = {one: score(shown, one, quote) for one in (*STRONG, " ", ":")}
    best = max(STRONG, key=lambda one: scores[one])
    blank, strong = scores[" "], scores[best]
    ahead = blank > max(PERFECT, strong) or blank > max(GOOD, (strong[0] + AHEAD, 0.0))
    if strong[0] > 0 and not (ahead and blank[1] >= strong[1]):
        return best
    return "," if not max(blank, scores[":"])[0] else " " if blank >= scores[":"] else ":"


def score(lines: Sequence[str], delimiter: str, quote: str) -> tuple[float, float]:
    """How well a delimiter cuts records into equally many clean fields, and the share that have the usual number.

    The share times 1/2 + the share of numbers - that of unclean fields: these hold another delimiter that is not their
    decimal comma. (0, 0) for one column.
    """
    cut = [fields for _, fields in records(lines, delimiter, quote)]
    counts = Counter(len(fields) for fields in cut)
    width = max(counts, key=lambda one: (counts[one], one), default=0)
    if width < 2 or counts[width] < LEAST * len(cut):
        return 0.0, 0.0
    tidy = [text for fields in cut for text in fields if len(fields) == width]
    decimal = "," if delimiter != "," else "."
    numbers = sum(1 for text in tidy if number(text) or number(text, decimal))
    others = [one for one in STRONG if one != delimiter != "\t"]  # beside tabs, all are text
    unclean = sum(1 for text in tidy if not number(text, decimal) and any(one in text for one in others))
    share = counts[width] / len(cut)
    return max(share * (0.5 + (numbers - unclean) / len(tidy)), 1e-9), share


def decimal_of(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    """The decimal sign: a comma if numbers are written with one and none with a point."""
    if delimiter == ",":
        return "."
    given = Counter(text for row in rows for text in row if not absent(text, (), numbers=True))
    commas = sum(count for text, count in given.items() if "," in text and number(text, ","))
    points = sum(count for text, count in given.items() if "." in text and number(text))
    return "," if commas > points else "."


def ambiguous(rows: Sequence[Sequence[str]]) -> str | None:
    """A field such as 1,234 if all fields with a comma could have it between thousands; else None."""
    commas = {text for row in rows for text in row if "," in text and number(text, ",")}
    groups = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
    return min(commas) if commas and all(map(groups.fullmatch, commas)) else None
