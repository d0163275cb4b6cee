"""One Slurm for all tests that need a real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.slurm.lab import Lab, install


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Slurm, started for the session; skips where there is none (HPCADMM_SLURM=required: fails)."""
    install()
    slurm = Lab(Path(tmp_path_factory.mktemp("slurm")), environment(None))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
