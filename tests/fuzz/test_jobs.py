"""Some job files and values of the command line in the ordinary suite; `make fuzz` tries as many as one likes."""

import pytest

from tests.fuzz.harness import fuzz
from tests.fuzz.jobs import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_job_is_read_or_refused(name: str) -> None:
    assert fuzz(TARGETS[name], 40, 7, shrink=False).tried >= 40


@pytest.mark.parametrize("name", TARGETS)
def test_the_input_that_is_mutated_works(name: str) -> None:
    TARGETS[name].check(TARGETS[name].valid[0])
