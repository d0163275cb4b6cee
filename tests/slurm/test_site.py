"""What administrators install: the module files in real module systems; the recipes against pyproject.toml."""

import os
import re
import runpy
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest

from hpcadmm import __version__

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "slurm" / "site"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LMOD, MODULES = "/usr/share/lmod/lmod/init/bash", "/usr/share/modules/init/bash"


@pytest.mark.slurm
@pytest.mark.parametrize(("kind", "init"), [("lua", LMOD), ("tcl", LMOD), ("tcl", MODULES)])
def test_the_module_puts_the_program_on_the_path_and_takes_it_off(tmp_path, kind, init):
    """Installed as an administrator does it, for this version, and for one that is missing."""
    if not Path(init).exists():
        pytest.skip(f"there is no {init}")
    program = tmp_path / "opt" / __version__ / "bin" / "hpcadmm"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m hpcadmm "$@"\n')
    program.chmod(0o755)
    text = (SITE / f"modulefiles/hpcadmm.{kind}").read_text().replace("/opt/hpcadmm", str(tmp_path / "opt"))
    (tmp_path / "files/hpcadmm").mkdir(parents=True)
    suffix = ".lua" if kind == "lua" else ""
    for version in (__version__, "99.9"):
        (tmp_path / "files/hpcadmm" / (version + suffix)).write_text(text)
    script = f"""
        . {init}
        module use {tmp_path}/files
        module whatis hpcadmm/{__version__} 2>&1
        module load hpcadmm/{__version__} || exit
        command -v hpcadmm
        hpcadmm --version
        module unload hpcadmm
        command -v hpcadmm
        module load hpcadmm/99.9
    """
    env = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"]}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, env=env)
    said = done.stdout.splitlines()
    assert said[-2:] == [str(program), f"hpcadmm {__version__}"], done.stderr
    assert f"Version: {__version__}" in done.stdout
    assert f"hpcadmm/99.9: {tmp_path}/opt/99.9 is missing" in " ".join(done.stderr.split())


@pytest.fixture
def recipe(monkeypatch):
    """The class in Spack's package file, and what it asks Spack for: (directive, first argument, options)."""
    asked = []

    def module(name, **contents):
        monkeypatch.setitem(sys.modules, name, found := ModuleType(name))
        vars(found).update(contents)

    def directive(name):
        return lambda first, **options: asked.append((name, first, options))

    for name in ("spack", "spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems"):
        module(name)
    module("spack_repo.builtin.build_systems.python", PythonPackage=object)
    names = ("depends_on", "license", "variant", "version")
    module("spack.package", default_args=lambda **_: nullcontext(), **{name: directive(name) for name in names})
    return runpy.run_path(str(SITE / "spack_repo/hpcadmm/packages/py_hpcadmm/package.py"))["PyHpcadmm"], asked


def spec(requirement):
    """A requirement in Spack's notation."""
    name, low, high = re.fullmatch(r"([\w-]+)(?:>=([\d.]+))?(?:,<(\d+))?", requirement).groups()
    return f"py-{name.lower()}" + (f"@{low}:" if low else "") + (str(int(high) - 1) if high else "")


def test_spack_installs_what_pip_installs(recipe):
    package, asked = recipe
    variants = {first for name, first, _ in asked if name == "variant"}
    found = {(first, options.get("when", "")) for name, first, options in asked if name == "depends_on"}
    wanted = {(spec(one), "") for one in PROJECT["dependencies"]}
    wanted |= {(spec(one), f"+{extra}") for extra in variants for one in EXTRAS[extra]}
    wanted |= {("python@" + PROJECT["requires-python"].removeprefix(">=") + ":", ""), ("mpi", "")}
    (build,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert {one for one in found if not one[0].startswith("arrow")} == wanted | {(spec(build), "")}
    assert set(EXTRAS) - variants == {"mpich", "openmpi", "bf16", "test", "dev"}, "Spack has an MPI, but no numkong"
    assert package.git == ROOT.as_uri()


def test_the_container_has_all_extras(tmp_path):
    text = (SITE / "hpcadmm.def").read_text()
    (extras,) = re.findall(r"wheel\[(.*)\]", text)
    assert set(extras.split(",")) == set(EXTRAS) - {"openmpi", "test", "dev"}
    for section in re.split(r"(?m)^%(?=post|test|environment|runscript)", text)[1:]:
        script = section.partition("\n")[2].partition("\n%")[0]
        assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0
