"""Names of the targets of a regression."""

from hpcadmm.after.trained import Trained


def targets_of(trained: Trained) -> list[str]:
    """The names of the targets in the training file, "0", "1", ... where it has none."""
    k = trained.network.n[-1]
    name = trained.columns.target if trained.columns else None
    return [name] if name is not None and k == 1 else [str(i) for i in range(k)]
