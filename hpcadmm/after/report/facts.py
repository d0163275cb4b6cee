"""Where the time of a run went, and what it ran on."""

from collections.abc import Iterator
from typing import Any

from hpcadmm.after.report.markup import folded, paragraph, table

PHASES = {
    "compute_seconds": "computing",
    "communicate_seconds": "communicating: exposed",
    "hidden_seconds": "communicating: hidden behind computing",
}
ONCE = {"prepare_seconds": "before: preparing the solver", "kernels_seconds": "before: compiling or loading kernels"}
FEW = 4  # ranks that are listed one by one


def spent(last: dict[str, Any]) -> Iterator[str]:
    """The phases of the solver's time, from the totals of a run."""
    found = [(name, last[key]) for key, name in PHASES.items() if isinstance(last.get(key), dict)]
    if not found or not last.get("iteration"):
        yield paragraph("The time was not measured." if last else "Nothing has been measured yet.", "note")
        return
    each = last["seconds"] / last["iteration"]
    sent = f"all ranks together sent {last.get('bytes', 0):,} bytes in {last.get('messages', 0):,} messages"
    yield paragraph(f"{last['seconds']:.4g} s of solver time on the slowest rank, {each:.3g} s an iteration; {sent}.")
    whole = sum(spread["mean"] for _, spread in found[:2]) or 1.0
    parts = [spread["mean"] / whole for _, spread in found]
    rows = [
        (name, *(f"{spread[key]:.4g}" for key in ("mean", "min", "max")), f"{100 * part:.1f} %")
        for (name, spread), part in zip(found, parts, strict=True)
    ]
    once = [(name, f"{last[key]:.4g}", "", "", "") for key, name in ONCE.items() if key in last]
    shares = [[0, 0, 0, part] for part in parts] + [[0, 0, 0, 0]] * len(once)
    head = ("phase", "mean (s)", "least", "most", "share")
    yield table("Seconds of the ranks", head, [*rows, *once], head[1:], shares)


def place(environment: dict[str, Any]) -> str:
    """What a run ran on, folded; of a resumed run the last session."""
    rows = [(key, text) for key, value in environment.items() if key != "earlier" and (text := said(value))]
    if not rows:
        return paragraph("The environment is not known.", "note")
    head = f"Environment: hpcadmm {environment.get('hpcadmm')}, Python {environment.get('python')}"
    return folded(head, table("Where the run took place", ("fact", "value"), rows))


def said(value: Any) -> str:
    """A fact of environment.json in words; "" if it is not known.

    >>> said({"commit": "1a2b", "changed": False, "tag": None}), said(["train", "a.toml"]), said([0, 1, 2, 3, 4, 5])
    ('commit 1a2b, changed no', 'train a.toml', '0 to 5')
    """
    if isinstance(value, dict):
        return ", ".join(f"{key} {text}" for key, one in value.items() if (text := said(one)))
    if isinstance(value, list):
        if len(value) > FEW and all(isinstance(one, int) for one in value):
            return f"{value[0]} to {value[-1]}"
        return ("; " if any(isinstance(one, dict) for one in value) else " ").join(map(said, value))
    known = {None: "", True: "yes", False: "no"}
    return known[value] if value is None or isinstance(value, bool) else " ".join(str(value).split())
