"""What the tables of a job must fulfil together; tables with faults of their own are None."""

from functools import partial
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.model.scores import keyed
from hpcadmm.solvers import SOLVERS

CONVEX = ("absolute", "relative", "gap")  # rules of [stop] for a [penalty]


def check_untrained(job: Any, faults: list[str]) -> None:
    """Check that nothing needs measures of the training part if there are none."""
    rules = ("tolerance", "tolerance_absolute", "residual", "residual_absolute", "error", *CONVEX)
    asked = [f"stop.{rule}" for rule in rules if getattr(job.stop, rule) is not None]
    asked += [f'save.best = "{best}"' for best in [job.save.best] if best and not best.startswith("test_")]
    asked += [f'evaluate.metrics: "{one}"' for one in job.evaluate.metrics if keyed(one)[0] == "train"]
    faults += [f"{one} needs measures of the training part: remove evaluate.train = false" for one in asked]


def check_together(job: Any, faults: list[str], given: bool) -> None:
    """Check tables against each other; given: has the file a [penalty]?"""
    solver, L = job.solver, len(job.layers.hidden) + 1
    said = f'solver.name = "{solver.name}"'
    if solver.most_layers is not None and solver.most_layers < L:
        faults.append(
            f"{said} trains at most {solver.most_layers} layers of weights, this network has {L}: "
            f"network.hidden may have {solver.most_layers - 1} entries"
        )
    if job.loss and solver.losses is not None and job.loss.name not in solver.losses:
        faults.append(f'{said} and loss.name = "{job.loss.name}": it minimises {", ".join(solver.losses)}')
    check_penalty(job, faults, given)
    if job.head and job.head.tile and solver.parts:
        faults.append(f"tile = {job.head.tile}: {said} cuts its samples into {solver.parts} parts; remove the key")
    if job.data and job.data.weight is not None and not solver.weighted:
        faults.append(f"data.weight: {said} counts every sample once; remove the key or choose another solver")
    knows = job.loss and not job.penalty and solver.knows_optimum(L, job.loss.name)
    if job.stop and job.stop.error is not None and job.loss and not knows:
        told = f"{said} does not know the optimum for {L} layers of weights and loss {job.loss.name}"
        faults.append(f"stop.error = {job.stop.error:g}: {told}; use tolerance or residual")
    checks = [partial(solver.check, L)]
    checks += [partial(solver.check_loss, job.loss, job.penalty is not None)] if job.loss else []
    for check in checks:
        try:
            check()
        except UsageError as error:
            faults.append(str(error))
    if job.layers.random:
        try:
            solver.check_dropout()
        except UsageError as error:
            faults.append(f"network.{job.layers.random[0]}: {said} {error}; {able('drops')}")
    if job.layers.norm == "batch" and not solver.normalises:
        faults.append(f'network.norm = "batch": {said} does not train with it; {able("normalises")}')


def check_penalty(job: Any, faults: list[str], given: bool) -> None:
    """Check [penalty], what needs one, and solver.path."""
    solver, penalty, L = job.solver, job.penalty, len(job.layers.hidden) + 1
    rules = [key for key in CONVEX if job.stop and getattr(job.stop, key) is not None]
    if penalty and not solver.penalised:
        faults.append(f'[penalty]: solver.name = "{solver.name}" takes none; {able("penalised")}')
    elif rules and not given and not penalty:
        faults.append(f'stop.{rules[0]}: needs a [penalty] (its name may be "none"); {able("penalised")} take one')
    elif given and L > 1 and solver.most_layers is None:
        faults.append(f"[penalty]: is for linear models, and network.hidden has {L - 1} layers: remove one of them")
    if solver.path is None:
        return
    if penalty and not penalty.scalable:
        faults.append(f'solver.path: penalty.name = "{penalty.name}" has no strength; choose another [penalty]')
    elif penalty and str(solver.path).startswith("max") and not penalty.vanishing:
        told = f'penalty.name = "{penalty.name}" leaves no coefficient at 0, whatever its strength'
        faults.append(f'solver.path = "{solver.path}": {told}; use "log:HIGH:LOW:COUNT"')
    asked = [f"stop.{key}" for key in ("accuracy", "patience") if job.stop and getattr(job.stop, key) is not None]
    asked += ["save.best"] if job.save and job.save.best else []
    faults += [f"{key}: a path chooses its model by solver.folds, not by the test part; remove it" for key in asked]


def able(kind: str) -> str:
    """The solvers with a ClassVar that says they can."""
    return f"these solvers do: {', '.join(name for name, one in SOLVERS.items() if getattr(one, kind))}"
