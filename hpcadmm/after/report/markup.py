"""Pieces of the page: escaped text, tables, and figures in the colours of the page."""

import io
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from rich.table import Table

from hpcadmm.errors import printable

# What matplotlib writes for a file of its own: prolog, licence, comments, names of formats, rules for a whole document.
ALONE = re.compile(r'^.*?(?=<svg)|<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>| xmlns(?::\w+)?="[^"]*"', re.S)
SIZE = re.compile(r'(<svg) width="[^"]*" height="[^"]*"')
STYLE = re.compile(r'(?<= style=")[^"]*')
FONT = re.compile(r"font-family: [^;]*(?:; )?")
COLOUR = re.compile(r": #([0-9a-f]{6})")


def text(value: Any) -> str:
    """Text of any origin, as HTML shows it."""
    return escape(printable(str(value)))


def paragraph(said: str, kind: str = "") -> str:
    """Plain text as a paragraph."""
    return f'<p class="{kind}">{text(said)}</p>' if kind else f"<p>{text(said)}</p>"


def folded(head: str, html: str) -> str:
    """HTML that unfolds below its plain head."""
    return f"<details><summary>{text(head)}</summary>{html}</details>"


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: Iterable[str] = (),
    shares: Sequence[Sequence[float]] = (),
    links: Sequence[str] = (),
) -> str:
    """Rows of plain text under a head; the first cell of each names the row.

    numbers: the columns that are aligned to the right. shares: how strongly the cells after the first are coloured, in
    [0, 1]; by row. links: the places in the page that the first cells lead to.
    """
    right = [' class="n"' if name in {*numbers} else "" for name in head]
    names = "".join(f'<th scope="col"{kind}>{text(name)}</th>' for name, kind in zip(head, right, strict=True))
    lines = []
    for k, (first, *cells) in enumerate(rows):
        shades = [f' style="--share: {share:.3f}"' for share in shares[k]] if shares else [""] * len(cells)
        kinds = zip(cells, right[1:], shades, strict=True)
        line = "".join(f"<td{kind}{shade}>{text(cell)}</td>" for cell, kind, shade in kinds)
        name = f'<a href="#{links[k]}">{text(first)}</a>' if links else text(first)
        lines.append(f'<tr><th scope="row">{name}</th>{line}</tr>')
    body = f"<caption>{text(caption)}</caption><thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide" role="region" tabindex="0" aria-label="{text(caption)}"><table>{body}</table></div>'


def of_rich(caption: str, made: Table, shares: Sequence[Sequence[float]] = ()) -> str:
    """A table for the terminal as HTML."""
    head = [str(column.header) for column in made.columns]
    numbers = [name for name, column in zip(head, made.columns, strict=True) if column.justify == "right"]
    cells = ([str(cell) for cell in column.cells] for column in made.columns)
    return table(caption, head, zip(*cells, strict=True), numbers, shares)


def figure(name: str, caption: str, drawn: Any) -> str:
    """A matplotlib figure as SVG within the page. name: begins its ids, so that those of two figures differ.

    A colour becomes a variable of the page's style with itself as the default; text and fonts are the page's.
    """
    out = io.StringIO()
    drawn.savefig(out, format="svg", transparent=True)
    named = f' role="img" aria-label="{text(caption)}"'
    svg = SIZE.sub(lambda found: found[1] + named, ALONE.sub("", out.getvalue()))
    svg = STYLE.sub(lambda found: COLOUR.sub(r": var(--c\1, #\1)", FONT.sub("", found[0])), svg)
    svg = svg.replace("xlink:href", "href").replace(' id="', f' id="{name}-').replace('href="#', f'href="#{name}-')
    svg = svg.replace("url(#", f"url(#{name}-")
    return f"<figure>{svg}<figcaption>{text(caption)}</figcaption></figure>"
