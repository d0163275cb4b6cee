"""One folder of an experiment, read: what the report is made from."""

from dataclasses import dataclass
from pathlib import Path

from hpcadmm.scaling.experiment import Experiment
from hpcadmm.scaling.folder import Folder
from hpcadmm.scaling.remarks import missing, remarks
from hpcadmm.scaling.rows import Row, rows
from hpcadmm.scaling.verdict import Verdict, judged


@dataclass(frozen=True)
class Study:
    """missing: points without enough samples; remarks: what the figures rest on."""

    folder: Folder
    experiment: Experiment
    rows: list[Row]
    verdict: Verdict
    missing: list[str]
    remarks: list[str]

    @classmethod
    def of(cls, path: Path) -> "Study":
        """Raises UsageError if this is no folder of an experiment."""
        folder = Folder(path)
        return cls(folder, folder.experiment(), rows(folder), judged(folder), missing(folder), remarks(folder))
