from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import trainings


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """run(name): the folder of a finished run, trained once a session."""
    folder = tmp_path_factory.mktemp("trainings")
    done: dict[str, Path] = {}

    def once(name: str) -> Path:
        if name not in done:
            done[name] = trainings.train(name, folder)
        return done[name]

    return once
