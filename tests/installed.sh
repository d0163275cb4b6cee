#!/usr/bin/env bash
# A few tests of everything against the wheel in dist/, in a folder that has the tests but not the package:
# tests/installed.sh borrow                  with the packages of .venv
# tests/installed.sh newest|oldest VERSION   with the newest or oldest packages that pyproject.toml allows, in a Python of
#                                            this version; skipped where there is none
set -euo pipefail
cd "$(dirname "$0")/.."
few=(
    tests/api/test_train.py
)

found() { # the path of a Python of this version, from the PATH or pyenv
    for python in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if "$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2> /dev/null; then
            echo "$python"
            return
        fi
    done
}

bounds() { # the lowest versions that pyproject.toml allows, as constraints
    .venv/bin/python - << 'END'
import re, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
print(*{re.sub(r">=([\d.]+).*", r"==\1.*", one) for one in wanted if ">=" in one}, sep="\n")
END
}

packages=$1 folder=$PWD/build/installed-$1${2+-$2}
wheel=$(echo "$PWD"/dist/hpcadmm-*.whl)
rm -rf "$folder"
if [ "$packages" = borrow ]; then
    .venv/bin/python -m venv --without-pip "$folder"
    site=lib/$(cd .venv/lib && echo python3.*)/site-packages
    echo "$PWD/.venv/$site" > "$folder/$site/borrowed.pth"
    .venv/bin/python -m pip --python "$folder/bin/python" install --quiet --no-deps "$wheel"
    export HPCADMM_MPIEXEC=${HPCADMM_MPIEXEC:-$PWD/.venv/bin/mpiexec}
else
    python=$(found "$2")
    [ -n "$python" ] || { echo "skipped: there is no Python $2 here" && exit; }
    "$python" -m venv "$folder"
    if [ "$packages" = oldest ]; then bounds; fi > "$folder/bounds.txt"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile -c "$folder/bounds.txt" \
        "$wheel[mpich,sklearn]" hypothesis pytest pytest-timeout
fi
mkdir "$folder/here"
cp -r jobs slurm tests README.md pyproject.toml "$folder/here"
cd "$folder/here"
../bin/python -c 'import hpcadmm, numba, numpy, sys; print(sys.version, numpy.__version__, numba.__version__, hpcadmm.__file__)'
../bin/python -m pytest -q -p no:cacheprovider "${few[@]}"
