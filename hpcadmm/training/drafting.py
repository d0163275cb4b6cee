"""Training without a job file: the job is drafted for the data at hand, and its file is left in the run folder."""

from typing import TYPE_CHECKING, Any

from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.job.draft import drafted
from hpcadmm.job.job import Job, parse
from hpcadmm.storage.durable import spoken, write_text
from hpcadmm.training.callbacks import Callback
from hpcadmm.training.progress import Progress

if TYPE_CHECKING:
    from hpcadmm.training.current import Training

NAME = "draft.toml"  # in the run folder


class DraftFile(Callback):
    """Leaves the commented job file in the run folder."""

    def __init__(self, text: str) -> None:
        self.text = text

    def start(self, run: "Training") -> None:
        if run.first and run.folder:
            with spoken(f"write {run.folder / NAME}"):
                write_text(run.folder / NAME, self.text)
            run.progress.say(f"job file: {run.folder / NAME}; to change it, edit a copy: hpcadmm train COPY.toml")


def draft(world: World, progress: Progress, **asked: Any) -> tuple[Job, DraftFile]:
    """The job that `drafted` makes of what is asked; says what was chosen. Raises UsageError. Collective."""
    told: list[str] = []
    with phase("choosing the settings"), world.together("choosing the settings"):
        if world.first:
            made = drafted(**asked, named=True)
            told = [made.text, *made.choices]
    text, *choices = world.share(told)
    for line in choices:
        progress.say(line)
    return parse(text), DraftFile(text)
