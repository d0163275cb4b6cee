"""Where the records of quoted text end."""

from typing import Any

from hpcadmm.kernels import kernel

OUTSIDE = 0  # at the beginning of a field; also 1: in a field without quotes, 2: within quotes, 3: after a quote within
WITHIN = 2
BLANK, TAB = 32, 9


@kernel
def last_end(data: Any, delimiter: int, quote: int, end_of_line: int, padded: bool) -> Any:
    """The place after the last record end of `data` (uint8), which begins a record; the state at the end; is one stray?

    A quote opens a field only as its first sign; doubled within quotes it is a character. A quote is stray if it closes
    a field that spans lines, and the field goes on.
    """
    state, found, spans, stray = 0, 0, False, False
    for i in range(data.size):
        c = data[i]
        if state == 2:
            spans = spans or c == end_of_line
            if c == quote:
                state = 3
        elif state == 3 and c == quote:
            state = 2
        elif c == end_of_line:
            state, found = 0, i + 1
        elif c == delimiter or (delimiter == BLANK and c == TAB):
            state = 0
        elif state == 0 and c == quote:
            state, spans = 2, False
        elif state != 0 or not padded or (c != BLANK and c != TAB):
            stray = stray or (state == 3 and spans and c > BLANK)
            state = 1
    return found, state, stray
