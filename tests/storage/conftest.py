from pathlib import Path

import pytest

from hpcadmm.comm.world import World
from tests.helpers.states import save_state


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """Two checkpoints, of the iterations 10 and 20."""
    for seed in (10, 20):
        save_state(tmp_path / "checkpoints", seed, World.alone())
    return tmp_path / "checkpoints"
