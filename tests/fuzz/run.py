"""Fuzz a module of targets: python tests/fuzz/run.py MODULE INPUTS SEED [TARGET ...]; exit code 1 at a fault."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the package `tests`

from tests.fuzz.harness import run

if __name__ == "__main__":
    module, count, seed, *names = sys.argv[1:]
    targets = importlib.import_module(f"tests.fuzz.{module}").TARGETS
    chosen = {name: targets[name] for name in names or targets}
    print(f"{run(chosen, int(count), int(seed))} inputs, seed {seed}, no fault")
