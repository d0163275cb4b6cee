"""How a text table is written: what the user asks for, and what the reader finds."""

import codecs
from dataclasses import dataclass
from typing import Any

from hpcadmm.datasets.columns import key, shown
from hpcadmm.datasets.tabular.raw import Kind
from hpcadmm.errors import UsageError


@dataclass(frozen=True)
class Dialect:
    """What the user says about a text table; None: find it.

    delimiter: between the fields, one character; " " is any run of blanks and tabs.
    quote: around fields that may contain a delimiter or a line end: a double or a single quote; "": no quoting.
    header: does the first line name the columns?
    comment: the beginning of lines to skip; "": skip none.
    encoding: a name that Python knows, such as "utf-8" or "cp1252".
    decimal: the sign before the decimals, "." or ",".
    missing: fields that stand for a missing value, besides `fields.MISSING`; numbers by value ("-999" is -999.0 too).
    """

    delimiter: str | None = None
    quote: str | None = None
    header: bool | None = None
    comment: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise UsageError for values that no table can have."""
        if self.delimiter is not None and (len(self.delimiter) != 1 or not separates(self.delimiter)):
            known = 'one character, no letter, digit, quote or sign: ",", ";", "\\t", "|" or " " (any run of blanks)'
            raise UsageError(f"data.delimiter = {self.delimiter!r}: must be {known}")
        if self.quote not in (None, "", '"', "'"):
            raise UsageError(f'data.quote = {self.quote!r}: must be \'"\', "\'" or "" (no quotes)')
        if self.decimal not in (None, ".", ","):
            raise UsageError(f'data.decimal = {self.decimal!r}: must be "." or ","')
        if self.decimal == "," == self.delimiter:
            raise UsageError('data.decimal = "," and data.delimiter = ",": a comma cannot be both')
        if self.encoding is not None:
            object.__setattr__(self, "encoding", known_encoding(self.encoding))


def separates(character: str) -> bool:
    """Can a character stand between fields?"""
    return character.isascii() and not character.isalnum() and character not in "\"'+-.\r\n\0"


def known_encoding(name: str) -> str:
    """Python's own name of a text encoding. Raises UsageError for an unknown one."""
    try:
        found = codecs.lookup(name)
        "a".encode(found.name)
    except (LookupError, ValueError, TypeError) as error:
        known = '"utf-8", "utf-16", "cp1252", "latin-1", ...'
        raise UsageError(f"data.encoding = {name!r}: Python knows no such text encoding; known are {known}") from error
    return found.name


@dataclass(frozen=True)
class Layout:
    """How a text table is written, all found; equal on every rank.

    names, kinds: of the columns that are read.
    width: fields in a line. skipped: fields before the first column that is read (1: row names).
    begin: bytes before the first record, of the file or, if `wide`, of its UTF-8. line: the number of its first line.
    end: the last byte of a line. padded: blanks stand before quotes.
    """

    delimiter: str
    quote: str
    header: bool
    comment: str
    encoding: str
    decimal: str
    missing: tuple[str, ...]
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    width: int
    skipped: int
    begin: int
    line: int
    end: str
    padded: bool
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Layout":
        """From what the first rank has sent: `asdict`, its tuples made lists."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        return cls(**values)

    @property
    def wide(self) -> bool:
        """Must the text be recoded before its lines can be found?"""
        return wide(self.encoding)

    def called(self, column: int) -> str:
        """A column's number in the file, counted from 1, and its name if it has one."""
        number = str(column + self.skipped + 1)
        return f"{number} ({shown([self.names[column]])})" if self.header else number

    def key(self, column: int) -> str:
        """A column's name as a job file writes it in data.types.NAME."""
        return key(self.names[column])


def wide(encoding: str) -> bool:
    """Is it neither UTF-8 nor one byte a character with ASCII below?

    >>> wide("utf-8"), wide("cp1252"), wide("utf-16"), wide("shift_jis")
    (False, False, True, True)
    """
    if encoding in ("utf-8", "utf-8-sig", "ascii"):
        return False
    plain, high = bytes(range(128)), bytes(range(128, 256))
    same = plain.decode(encoding, "replace") == plain.decode("ascii")
    return not same or len(high.decode(encoding, "replace")) != len(high)
