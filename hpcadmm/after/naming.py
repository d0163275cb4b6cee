"""Names of the targets of a regression."""

from hpcadmm.after.trained import Trained
from hpcadmm.datasets.tabular.target import Target


def targets_of(trained: Trained) -> list[str]:
    """The names of the targets in the training file, "0", "1", ... where it has none."""
    k, target = trained.network.n[-1], trained.columns.target if trained.columns else None
    names = target.names if isinstance(target, Target) else [target] if target is not None else []
    return names if len(names) == k else [str(i) for i in range(k)]
