"""Settings that could not do what they say: refused before the training, with the cure."""

from hpcadmm.errors import UsageError

ROUNDING = 1 + 1e-9  # by which a penalty may be over its limit


def may_grow(rho: float, factor: float, limit: float) -> bool:
    """May the penalties be multiplied by `factor` once more, rho staying within its limit?"""
    return rho * factor <= limit * ROUNDING


def check_schedule(schedule: str, rho: float, factor: float, limit: float) -> None:
    """UsageError where a schedule that multiplies the penalties never does, not even the first time."""
    said = f'solver.schedule = "{schedule}" never changes the penalties'
    if factor == 1:
        raise UsageError(f'{said}: solver.factor = 1; choose another factor, or schedule = "fixed"')
    if not may_grow(rho, factor, limit):
        raise UsageError(
            f"{said}: solver.rho = {rho:g} times solver.factor = {factor:g} is {rho * factor:g}, over solver.limit = "
            f'{limit:g}; choose rho <= {limit / factor:g}, limit >= {rho * factor:g}, or schedule = "fixed"'
        )


def check_penalty(penalty: str, decay: float) -> None:
    """UsageError for a kind of penalty of no size."""
    if penalty == "l1" and decay == 0:
        raise UsageError('solver.penalty = "l1" does nothing with solver.decay = 0: choose a decay > 0')
