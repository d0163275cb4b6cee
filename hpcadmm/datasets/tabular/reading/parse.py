"""From a block of text to Arrow columns."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from hpcadmm.comm import memory
from hpcadmm.datasets.tabular.dialect import Layout
from hpcadmm.datasets.tabular.sniff.fields import BESIDE_NUMBERS, MISSING, NUMBER, SPELLED, number, value

CHUNK = 1 << 20  # bytes that Arrow parses at a time
AT = re.compile(r"column #(\d+)")
BLANK_LINE = re.compile(rb"(?m)^[ \t]+\r?\n|^[ \t]+\r?\Z")
TEXT = pa.dictionary(pa.int32(), pa.string())
PATTERN = f"^(?:{NUMBER.pattern})$"


class Refused(Exception):
    """The block holds a field or a record that cannot be read."""


class Parser:
    """Parses blocks of one layout.

    hard: columns of numbers (positions in a line) with fields that Arrow does not take for numbers or missing values,
    such as "+1": they are read as text and then converted.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout, self.hard = layout, set[int]()
        self.read = range(layout.skipped, layout.skipped + len(layout.names))
        self.marks = {text for m in layout.missing for text in padded(m)} | {t for m in SPELLED for t in padded(m)}
        self.values = {value(m, layout.decimal) for m in layout.missing if number(m, layout.decimal)}

    def columns(self, block: bytes) -> list[Any]:
        """One array a column. Raises Refused."""
        if b"\0" in block:
            raise Refused("NUL bytes")
        plain = tidy(block, self.layout)
        if not plain.strip():  # comments and blank lines only
            return [pa.array([], pa.float64() if kind == "number" else TEXT) for kind in self.layout.kinds]
        while True:
            table = self.table(plain)
            found = [self.column(c, one(table.column(str(c)))) for c in self.read]
            strange = {c for c, array in zip(self.read, found, strict=True) if array is None}
            if not strange:
                self.check_rest(table)
                return found
            self.hard |= strange

    def table(self, plain: bytes) -> Any:
        """The table that Arrow reads. Raises Refused."""
        without_blanks = False
        while True:
            try:
                return csv.read_csv(pa.BufferReader(plain), *self.options(plain))
            except pa.ArrowInvalid as error:
                place = AT.search(str(error))
                c = int(place[1]) if place else -1
                if c in self.read and self.kind(c) == "number" and c not in self.hard:
                    self.hard.add(c)
                elif place is None and not without_blanks:
                    plain, without_blanks = BLANK_LINE.sub(b"", plain), True
                else:
                    raise Refused(str(error)) from error

    def release(self) -> None:
        """Give the memory of the parsing back to the system."""
        pa.default_memory_pool().release_unused()
        memory.trim()

    def kind(self, c: int) -> str:
        return self.layout.kinds[c - self.layout.skipped]

    def options(self, plain: bytes) -> tuple[Any, Any, Any]:
        """Arrow's options."""
        layout, rest = self.layout, range(self.read.stop, self.layout.width)
        types = {
            c: TEXT if self.kind(c) != "number" else pa.string() if c in self.hard else pa.float64() for c in self.read
        }
        types |= {c: pa.string() for c in rest}
        quote = layout.quote if layout.quote and layout.quote.encode() in plain else False
        return (
            csv.ReadOptions(use_threads=False, block_size=CHUNK, column_names=list(map(str, range(layout.width)))),
            csv.ParseOptions(delimiter=layout.delimiter, quote_char=quote, newlines_in_values=bool(quote)),
            csv.ConvertOptions(
                column_types={str(c): kind for c, kind in types.items()},
                include_columns=list(map(str, types)),
                null_values=sorted(self.marks),
                decimal_point=layout.decimal,
            ),
        )

    def check_rest(self, table: Any) -> None:
        """Raise Refused if something follows the delimiter at the end of a line."""
        for c in range(self.read.stop, self.layout.width):
            if pc.any(pc.not_equal(pc.utf8_trim_whitespace(table.column(str(c))), "")).as_py():
                raise Refused("text after the last delimiter")

    def column(self, c: int, array: Any) -> Any:
        """The array as `Shard` holds it; None if it must be read as text first. Raises Refused."""
        if self.kind(c) != "number":
            return cleaned(array, self.layout.missing)
        if c in self.hard:
            array = converted(array, self.layout)
        values = numbers_of(array)
        if not np.isfinite(values).all() and not pc.all(pc.is_finite(array)).as_py():
            if c in self.hard:
                raise Refused("a number beyond float64")
            return None
        return without(array, values, self.values)


def padded(text: str) -> Sequence[str]:
    """The text with and without a blank on either side."""
    return text, f" {text}", f"{text} ", f" {text} "


def numbers_of(array: Any) -> Any:
    """The values of a float64 array as a numpy view, anything finite where they are missing."""
    return np.frombuffer(array.buffers()[1], np.float64)[array.offset : array.offset + len(array)]


def without(array: Any, values: Any, missing: set[float]) -> Any:
    """The numbers, with null where they have one of the values."""
    for one_ in missing:
        if (equal := values == one_).any():
            array = pc.if_else(pa.array(equal), None, array)
    return array


def one(chunked: Any) -> Any:
    """One array of a chunked one."""
    if pa.types.is_dictionary(chunked.type):
        chunked = chunked.unify_dictionaries()
    whole = chunked.combine_chunks()
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def cleaned(array: Any, missing: Sequence[str]) -> Any:
    """Text without blanks around it, null where it is missing."""
    texts = pc.utf8_trim_whitespace(array.dictionary)
    absent = pc.or_(
        pc.is_in(pc.utf8_lower(texts), pa.array(sorted(MISSING))), pc.is_in(texts, pa.array(list(missing), pa.string()))
    )
    texts = pc.dictionary_encode(pc.if_else(absent, None, texts))
    return pa.DictionaryArray.from_arrays(texts.indices.take(array.indices), texts.dictionary)


def converted(array: Any, layout: Layout) -> Any:
    """Numbers from text. Raises Refused."""
    text = pc.utf8_trim_whitespace(array)
    absent = pc.or_(
        pc.is_in(pc.utf8_lower(text), pa.array(sorted(MISSING | BESIDE_NUMBERS))),
        pc.is_in(text, pa.array(list(layout.missing), pa.string())),
    )
    text = pc.if_else(absent, None, text)
    if layout.decimal == ",":
        if pc.any(pc.match_substring(text, ".")).as_py():
            raise Refused("a point in a number")
        text = pc.replace_substring(text, ",", ".")
    if not pc.all(pc.match_substring_regex(text, PATTERN)).as_py() and text.null_count < len(text):
        raise Refused("no number")
    plain = pc.replace_substring_regex(text, r"^\+", "")
    try:
        return pc.cast(plain, pa.float64())
    except pa.ArrowInvalid:  # beyond the range of float64
        found = [None if t is None else float(t) for t in plain.to_pylist()]
        if not np.isfinite([v for v in found if v is not None]).all():
            raise Refused("a number beyond float64") from None
        return pa.array(found, pa.float64())


def tidy(block: bytes, layout: Layout) -> bytes:
    """The block as Arrow can read it: in UTF-8, without comments, one delimiter between fields."""
    if layout.encoding not in ("utf-8", "utf-8-sig", "ascii") and not layout.wide:
        block = block.decode(layout.encoding, "replace").encode()
    if layout.end == "\r":
        block = block.replace(b"\r", b"\n")
    if layout.comment and layout.comment.encode() in block:
        block = re.sub(rb"(?m)^[ \t]*" + re.escape(layout.comment.encode()) + rb"[^\r\n]*(\r\n?|\n|\Z)", b"", block)
    quote = layout.quote.encode()
    if layout.delimiter == " ":
        return single_blanks(block, quote)
    if layout.padded and quote in block:
        sign, blanks = re.escape(layout.delimiter.encode()), b" +" if layout.delimiter == "\t" else b"[ \t]+"
        block = re.sub(b"(?m)(^|" + sign + b")" + blanks + b"(?=" + quote + b")", rb"\1", block)
    return block


def single_blanks(block: bytes, quote: bytes) -> bytes:
    """One blank for each run of blanks outside quotes, none at the ends of lines."""
    block = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", block)
    if not quote or quote not in block:
        return re.sub(rb"[ \t]+", b" ", block)
    runs = re.compile(rb"(" + quote + rb"[^" + quote + rb"]*" + quote + rb")|[ \t]+")
    return runs.sub(lambda found: found[1] or b" ", block)
