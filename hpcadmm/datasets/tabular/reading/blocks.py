"""Which rank reads which bytes of a text file: blocks of whole records."""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.disk.stream import Stream, blamed
from hpcadmm.datasets.tabular.dialect import Layout
from hpcadmm.datasets.tabular.reading.lexer import WITHIN, last_end

BLOCK = 1 << 22  # bytes read and parsed at a time
LEAST = 1 << 22  # bytes of the file for each rank that reads
LONGEST = 1 << 26  # bytes of a record
PROBE = 1 << 12  # bytes to look for a line end in
LENGTH, CONTENT = 71, 72  # tags of messages


class Misplaced(Exception):
    """The share of the next rank begins within a record."""


@dataclass(frozen=True)
class Block:
    """Whole records. number: in the file's order among the blocks of all ranks.

    open: its last quote is not closed. stray: text follows the closing quote of a field of several lines.
    """

    number: int
    data: bytes
    open: bool = False
    stray: bool = False


@dataclass(frozen=True)
class Cutter:
    """Cuts bytes into blocks of whole records."""

    layout: Layout

    def ends(self, data: bytes) -> tuple[int, bool, bool]:
        """The place after the last record in `data`; is a quote open at the end of `data`; is one stray?"""
        one = self.layout
        if not one.quote or one.quote.encode() not in data:
            return data.rfind(one.end.encode()) + 1, False, False
        signs = ord(one.delimiter), ord(one.quote), ord(one.end)
        found, state, stray = last_end(np.frombuffer(data, np.uint8), *signs, one.padded)
        return int(found), state == WITHIN, bool(stray)

    def blocks(self, chunks: Iterator[bytes], first: int, step: int, last: bool) -> Iterator[Block]:
        """Blocks numbered first, first + step, ... Raises Misplaced if the last one ends within a record.

        last: the file ends with these chunks, so that its last record may lack a line end.
        """
        held, number = b"", first
        for chunk in chunks:
            held = held + chunk if held else chunk
            end, open_, stray = self.ends(held)
            if end or len(held) > LONGEST:
                yield Block(number, held[: end or len(held)], open_ and not end, stray)
                held, number = held[end or len(held) :], number + step
        if held and not last:
            raise Misplaced
        if held:
            yield Block(number, held, *self.ends(held)[1:])


def share(path: Path, layout: Layout, top: bytes, world: World) -> Iterator[Block]:
    """The blocks of this rank's range of a plain file, numbered in the order of the ranks. Raises Misplaced.

    top: the first bytes of the file, where this rank has them.
    """
    size = path.stat().st_size
    used = max(1, min(world.size, (size - layout.begin) // LEAST))
    if world.rank >= used:
        return
    with blamed(path):
        raw = path.open("rb", buffering=0)
    with raw:
        file = Stream(path, raw)
        marks = [layout.begin + (size - layout.begin) * k // used for k in (world.rank, world.rank + 1)]
        lo, hi = (record_start(file, mark, layout, size) for mark in marks)
        chunks = pieces(file, lo, hi, top)
        yield from Cutter(layout).blocks(chunks, world.rank << 32, 1, hi == size)


def record_start(file: Stream, mark: int, layout: Layout, size: int) -> int:
    """The beginning of the first line that begins at or after the mark, outside quotes as far as this rank sees."""
    if mark <= layout.begin:
        return layout.begin
    at = mark - 1
    while at < size:
        file.seek(at)
        data = file.read(PROBE)
        if (found := data.find(layout.end.encode())) >= 0:
            return min(at + found + 1, size)
        at += len(data) or size
    return size


def pieces(file: Stream, lo: int, hi: int, top: bytes = b"") -> Iterator[bytes]:
    """The bytes lo..hi of a plain file, in pieces; those that `top` holds are not read again."""
    at = lo
    while at < hi:
        stop = min(at + BLOCK, hi)
        if at < len(top):
            data = top[at : min(stop, len(top))]
        else:
            file.seek(at)
            data = file.read(stop - at)
        if not data:
            return
        at += len(data)
        yield data


def streamed(file: Stream | None, layout: Layout, top: bytes) -> Iterator[bytes]:
    """The bytes of a file from its first record on, unpacked, in UTF-8 if it is `wide`; top: what was read of it."""
    skip = layout.begin
    for chunk in recoded(plain(file, top), layout):
        if skip < len(chunk):
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))


def plain(file: Stream | None, top: bytes) -> Iterator[bytes]:
    """`top`, then the rest of the file."""
    for at in range(0, len(top), BLOCK):
        yield top[at : at + BLOCK]
    if file is not None:
        yield from iter(lambda: file.read(BLOCK), b"")


def recoded(chunks: Iterator[bytes], layout: Layout) -> Iterator[bytes]:
    """In UTF-8, if the text is `wide`. Raises UnicodeDecodeError."""
    if not layout.wide:
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(layout.encoding)()
    for chunk in chunks:
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def deal(blocks: Iterator[Block], world: World, take: Callable[[Block], None]) -> Exception | None:
    """The first rank sends the blocks to the ranks in turn, which take them. Returns its error; collective.

    `take` must not raise.
    """
    if not world.first:
        receive(world, take)
        return None
    sent: list[list[Any]] = [[] for _ in range(world.size)]
    try:
        for block in blocks:
            to = block.number % world.size
            if to == 0:
                take(block)
            else:
                send(world, to, block, sent[to])
    except Exception as error:  # noqa: BLE001 (the others must hear of the end first)
        return error
    finally:
        for to in range(1, world.size):
            send(world, to, None, sent[to])
            send(world, to, None, sent[to], last=True)
    return None


def send(world: World, to: int, block: Block | None, sent: list[Any], last: bool = False) -> None:
    """Send a block once the one before it has left; None: there are no more."""
    for pending, _ in sent:
        pending.wait()
    sent.clear()
    if last:
        return
    known = [-1, 0, 0, 0] if block is None else [len(block.data), block.number, block.open, block.stray]
    head = np.array(known, np.int64)
    sent.append((world.send(head, to, LENGTH), head))
    if block is not None:
        data = np.frombuffer(block.data, np.uint8)
        sent.append((world.send(data, to, CONTENT), data))


def receive(world: World, take: Callable[[Block], None]) -> None:
    """Take the blocks that the first rank sends, up to the last."""
    head = np.empty(4, np.int64)
    while True:
        world.receive(head, 0, LENGTH).wait()
        if head[0] < 0:
            return
        data = np.empty(int(head[0]), np.uint8)
        world.receive(data, 0, CONTENT).wait()
        take(Block(int(head[1]), data.tobytes(), bool(head[2]), bool(head[3])))
