"""Learning-rate schedules of the minibatch methods."""

import math


def constant(t: float, period: float, drop: float) -> float:
    """1."""
    return 1.0


def cosine(t: float, period: float, drop: float) -> float:
    """From 1 to 0 along half a cosine in `period`. Loshchilov, Hutter: SGDR, ICLR 2017, without restarts.

    >>> [round(cosine(t, 4, 0), 9) for t in (0, 2, 4, 5)]
    [1.0, 0.5, 0.0, 0.0]
    """
    return (1 + math.cos(math.pi * min(1.0, t / period))) / 2


def linear(t: float, period: float, drop: float) -> float:
    """From 1 to 0 along a line in `period`.

    >>> [linear(t, 4, 0) for t in (0, 1, 4, 5)]
    [1.0, 0.75, 0.0, 0.0]
    """
    return 1 - min(1.0, t / period)


def step(t: float, period: float, drop: float) -> float:
    """Times `drop` every `period`.

    >>> [step(t, 3, 0.5) for t in (0, 2.9, 3, 6)]
    [1.0, 1.0, 0.5, 0.25]
    """
    return drop ** int(t / period)


def one_cycle(t: float, period: float, drop: float) -> float:
    """From 1/25 to 1 in the first 30 % of `period`, then to 4e-6, each along half a cosine; the defaults of PyTorch's
    OneCycleLR. Smith, Topin: Super-Convergence, 2018.

    >>> [round(one_cycle(t, 10, 0), 6) for t in (0, 1.5, 3, 6.5, 10, 11)]
    [0.04, 0.52, 1.0, 0.500002, 4e-06, 4e-06]
    """
    up = 0.3 * period
    if t < up:
        return 1 + (0.04 - 1) * cosine(t, up, drop)
    return 4e-6 + (1 - 4e-6) * cosine(t - up, period - up, drop)


SCHEDULES = {"constant": constant, "cosine": cosine, "linear": linear, "step": step, "one-cycle": one_cycle}
