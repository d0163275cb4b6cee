"""The figure of the rates: python draw.py OUT.png FILE.csv...: k c_k by k, log-log, and the slope of c_k by decade."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rates import AT
from tables import rows


def read(path):
    """k and c_k of a file, as arrays."""
    found = rows(path)
    return (np.array([float(row[key]) for row in found]) for key in ("k", "c_k"))


def main():
    out, *files = sys.argv[1:]
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    print("c_k, k c_k:\n\n| run | " + " | ".join(f"k = {k}" for k in AT) + " | slope of the last decade |")
    print("|---" * (len(AT) + 2) + "|")
    for colour, path in enumerate(files):
        k, c = read(path)
        last = k >= k[-1] / 10
        slope = np.polyfit(np.log(k[last]), np.log(c[last]), 1)[0]
        at = [int(np.flatnonzero(k == one)[0]) for one in AT if one <= k[-1]]
        cells = [f"{c[i]:.2e}, {k[i] * c[i]:.2e}" for i in at] + [""] * (len(AT) - len(at))
        print(f"| {Path(path).stem} | " + " | ".join(cells) + f" | {slope:.2f} |")
        left.plot(k, c, f"C{colour}", label=Path(path).stem)
        left.plot(k, c[0] * k[0] / k, f"C{colour}:", linewidth=1)
        right.plot(k, k * c, f"C{colour}", label=Path(path).stem)
    left.set(xscale="log", yscale="log", xlabel="k", ylabel="$c_k$ (dotted: proportional to 1/k)")
    right.set(xscale="log", yscale="log", xlabel="k", ylabel="$k c_k$")
    left.legend()
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main()
