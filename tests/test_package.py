"""What pyproject.toml says of the package."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLES = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGE = ROOT / "hpcadmm"


def test_every_file_of_the_package_is_in_the_wheel():
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    patterns = TABLES["tool"]["setuptools"]["package-data"]["hpcadmm"]
    data = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    modules = {path for path in files if path.suffix == ".py" and (path.parent / "__init__.py").exists()}
    assert files == data | modules


def test_the_pythons_named_are_those_tested():
    """By `make test-python`, where they are installed; a newer one is not refused."""
    (tested,) = re.findall(r"(?m)^PYTHONS \?= (.*)", (ROOT / "Makefile").read_text())
    named = re.findall(r"Python :: ([\d.]+)", "\n".join(TABLES["project"]["classifiers"]))
    assert named == tested.split()
    assert TABLES["project"]["requires-python"] == f">={named[0]}"
