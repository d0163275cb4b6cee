"""Refuse settings that would have no effect, before training starts."""

from hpcadmm.errors import UsageError

ROUNDING = 1 + 1e-9  # tolerance of a penalty's limit


def may_grow(rho: float, factor: float, limit: float) -> bool:
    """Does rho times `factor` stay within its limit?"""
    return rho * factor <= limit * ROUNDING


def check_schedule(schedule: str, rho: float, factor: float, limit: float) -> None:
    """Raise UsageError if a schedule that multiplies the penalties can never do so."""
    said = f'solver.schedule = "{schedule}" never changes the penalties'
    if factor == 1:
        raise UsageError(f'{said} with solver.factor = 1; choose another factor, or schedule = "fixed"')
    if not may_grow(rho, factor, limit):
        raise UsageError(
            f"{said}: solver.rho = {rho:g} times solver.factor = {factor:g} is {rho * factor:g}, over solver.limit = "
            f'{limit:g}; choose rho <= {limit / factor:g}, limit >= {rho * factor:g}, or schedule = "fixed"'
        )


def check_penalty(penalty: str, decay: float) -> None:
    """Raise UsageError for a penalty of weight 0."""
    if penalty == "l1" and decay == 0:
        raise UsageError('solver.penalty = "l1" has no effect with solver.decay = 0; choose a decay > 0')
