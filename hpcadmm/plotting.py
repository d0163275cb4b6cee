"""The figures of all commands: style, colours, axes, legend, and the file that is written."""

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeGuard

from hpcadmm.errors import UsageError, printable
from hpcadmm.storage.durable import written

# Seven colours of Okabe and Ito, without the yellow, which is too pale on paper, and two of Tol: the colour-blind can
# tell them apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#882255", "#999933")
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
GREY = "#666666"
MODELLED = {"linestyle": (0, (4, 1.5)), "linewidth": 1.0}
TARGET = {"color": GREY, "linestyle": (0, (2, 2)), "linewidth": 0.8}
IDEAL = {"color": "#888888", "linestyle": (0, (1, 1.5)), "linewidth": 0.9}
BAND = 0.18  # opacity of a range
PAPER = 6.3  # inches: the text width of a page
LONGEST = 60  # characters of a name in a figure
SPARSE = 5  # a curve with fewer points has markers
SPREAD = 20.0  # largest over smallest value from which an axis is logarithmic
TIMES = r"{\times}"
ROUND_OFF = 1e-9  # of the median: smaller values do not stretch a logarithmic axis
STYLE = {
    "text.usetex": False,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}


def finite(value: Any) -> TypeGuard[float]:
    """Is this a number that can be drawn?"""
    return isinstance(value, int | float) and math.isfinite(value)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Text of at most `longest` characters; the middle is left out.

    >>> shortened("abcdefghij", 7)
    'ab...ij'
    """
    half = (longest - 3) // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def shown(label: str) -> str:
    """A label that matplotlib draws as it is: not as a formula, and not hidden.

    >>> shown("a$b"), shown("_a")
    ('a\\\\$b', ' _a')
    """
    text = shortened(printable(label))
    return (" " if text.startswith("_") else "") + text.replace("$", "\\$")


def logarithmic(values: Sequence[float], spread: float = SPREAD) -> bool:
    """Does a logarithmic axis suit the values? They must be positive, and the largest `spread` times the smallest.

    >>> logarithmic([1.0, 100.0]), logarithmic([1.0, 3.0]), logarithmic([-1.0, 100.0])
    (True, False, False)
    """
    return bool(values) and min(values) > 0 and max(values) > spread * min(values)


def lowest(values: Sequence[float]) -> float:
    """Where an axis of accuracies begins: a steep start is cut off, so that the rest can be told apart.

    >>> lowest([10.0, *[90.0] * 10, *[95.0] * 10]), lowest([10.0, 50.0, 90.0])
    (88.0, 9.0)
    """
    tenth = sorted(values)[len(values) // 10]
    return max(tenth - 0.4 * (max(values) - tenth), min(values)) if tenth > min(values) else min(values) - 1.0


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high for a logarithmic axis, at most `most` of them.

    >>> log_ticks(0.3, 12), log_ticks(1.0, 200.0), log_ticks(1.0, 1e7)
    ([0.5, 1.0, 2.0, 5.0, 10.0], [1.0, 3.0, 10.0, 30.0, 100.0], [1.0, 100.0, 10000.0, 1000000.0])
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [step * 10.0**k for k in decades for step in steps if low <= step * 10.0**k <= high]
        if len(found) <= most:
            return found
    return found[:: -(-len(found) // most)]


def power(value: float, position: int | None = None) -> str:
    """A number as a power of ten.

    >>> power(2e6), power(1e-5)
    ('$2{\\\\times}10^{6}$', '$10^{-5}$')
    """
    exponent = math.floor(math.log10(value) + 1e-9) if value > 0 else 0
    lead = f"{value / 10.0**exponent:.3g}"
    return f"${'' if lead == '1' else lead + TIMES}10^{{{exponent}}}$"


def log_axis(place: Any, name: str, values: Sequence[float], room: float = 1.0) -> None:
    """Make the axis "x" or "y" of a panel logarithmic over the positive values, with labels that do not overlap.

    room: times as much space around the values as usual.
    """
    ticker = import_module("matplotlib.ticker")
    axis = getattr(place, f"{name}axis")
    positive = sorted(value for value in values if value > 0)
    good = [value for value in positive if value > ROUND_OFF * positive[len(positive) // 2]]
    low, high = good[0], good[-1]
    gap = max((high / low) ** (0.04 * room), 1.02)
    getattr(place, f"set_{name}scale")("log")
    getattr(place, f"set_{name}lim")(low / gap, high * gap)
    found = log_ticks(low / gap, high * gap)
    axis.set_major_locator(ticker.FixedLocator(found) if len(found) > 2 else ticker.MaxNLocator(4))
    plain = all(1e-3 <= tick < 1e5 for tick in found or good)
    axis.set_major_formatter("{x:g}" if plain else power)
    axis.set_minor_locator(ticker.NullLocator())


def large_numbers(axis: Any) -> None:
    """Write the numbers of a linear axis as 20k or 1.5M, so that no factor stands apart from them."""
    ticker = import_module("matplotlib.ticker")
    if max(map(abs, axis.get_view_interval())) >= 1e5:
        axis.set_major_formatter(ticker.EngFormatter(sep=""))


def accuracy_axis(place: Any, middle: Sequence[float], high: Sequence[float] = (), target: float | None = None) -> None:
    """Limits of accuracies in per cent: the target and the tops of all ranges are inside."""
    top = max([*middle, *high, target or 0.0])
    low = lowest(middle)
    if target is not None:
        low = min(low, target - 0.1 * (top - target) - 0.5)
    place.set_ylim(low, min(top + 0.05 * (top - low), 100.5))


def styles(groups: Sequence[str]) -> list[dict[str, Any]]:
    """Colour and dashes of each curve; groups: what it belongs to, for example its solver.

    Every curve has a colour of its own while there are enough. Otherwise a group has a colour and its curves differ in
    their dashes.
    """
    keys: Sequence[Any] = groups if len(groups) > len(COLOURS) else range(len(groups))
    colours = {key: COLOURS[k % len(COLOURS)] for k, key in enumerate(dict.fromkeys(keys))}
    used: Counter[str] = Counter()
    found = []
    for key in keys:
        colour = colours[key]
        found.append({"color": colour, "linestyle": DASHES[used[colour] % len(DASHES)]})
        used[colour] += 1
    return found


def curve(place: Any, x: Sequence[float], y: Sequence[float], **style: Any) -> None:
    """A line, with markers if it has few points."""
    place.plot(x, y, marker="o" if len(x) < SPARSE else None, markersize=3, **style)


def entry(label: str, **style: Any) -> Any:
    """A line or marker in the legend."""
    return import_module("matplotlib.lines").Line2D([], [], label=shown(label), **style)


def patch(label: str, **style: Any) -> Any:
    """An area in the legend."""
    return import_module("matplotlib.patches").Patch(label=label, **style)


def legend(figure: Any, handles: Sequence[Any], width: float = PAPER) -> None:
    """The legend above the panels, in rows of about the same length."""
    rows = legend_rows(handles, width)
    figure.legend(handles=handles, loc="outside upper center", ncols=-(-len(handles) // rows), handlelength=2.2)


def legend_rows(handles: Iterable[Any], width: float = PAPER) -> int:
    """How many rows a legend takes in a figure of `width` inches."""
    lengths = [len(handle.get_label()) for handle in handles]
    return -(-len(lengths) // max(1, int(width * 15 / (max(lengths) + 6))))


def panels(rows: int, columns: int, height: float, handles: Sequence[Any], width: float = PAPER, **shared: Any) -> Any:
    """A figure with a legend above its panels of `height` inches, and the panels."""
    size = (width, height * rows + 0.3 + 0.17 * legend_rows(handles, width))
    figure = import_module("matplotlib.figure").Figure(size, layout="constrained")
    legend(figure, handles, width)
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def library() -> Any:
    """matplotlib with a backend that needs no screen. Raises UsageError if it is not installed."""
    try:
        matplotlib = import_module("matplotlib")
    except ImportError as error:
        raise UsageError(f"plot needs matplotlib: pip install 'hpcadmm[plot]' ({error})") from None
    matplotlib.use("Agg")
    return matplotlib


@contextmanager
def styled() -> Iterator[None]:
    """Inside the block, figures have this package's style; a character that no font has is a box, without a warning."""
    with library().rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing|.*does not support .* natively", UserWarning)
        yield


def picture(out: Path, draw: Callable[[], Any], say: Callable[[str], None]) -> None:
    """Write the figure that `draw` makes, unless it makes None. Problems are said, and do not spoil the tables."""
    try:
        with styled():
            figure = draw()
            if figure is None:
                say(f"{out.name}: there is nothing to draw")
            else:
                written(out, figure.savefig)
    except UsageError as error:
        say(f"{out.name} is not drawn: {error}")
