import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))  # threads.py
sys.path.insert(0, str(Path(__file__).parent))  # states.py, harm.py, cases.py

from states import save_state

from hpcadmm.comm.world import World


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """Two checkpoints, of the iterations 10 and 20."""
    for seed in (10, 20):
        save_state(tmp_path / "checkpoints", seed, World.alone())
    return tmp_path / "checkpoints"
