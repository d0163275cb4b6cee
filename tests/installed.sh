#!/usr/bin/env bash
# A few tests of everything against the wheel in dist/, in a folder that has the tests but not the package:
# tests/installed.sh borrow                  with the packages of .venv
# tests/installed.sh newest|oldest VERSION   with the newest or oldest packages that pyproject.toml allows, in a Python of
#                                            this version; skipped where there is none
# tests/installed.sh turn K VERSION...       one of all these that can be tested here: the next one with each K
set -euo pipefail
cd "$(dirname "$0")/.."
few=(
    --pyargs hpcadmm # the doctests, and with them every module
    tests/training/test_train.py::test_the_job_of_make_train_reaches_95_percent
    tests/plugin/test_plugin.py::test_every_kind_of_class_is_found_and_described
)
more=(
    -n 2 --dist worksteal
    tests/api/test_sklearn.py::test_any_solver_trains_a_network
    tests/api/test_sklearn.py::test_the_linear_models_are_those_of_scikit_learn
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

if [ "$1" = turn ]; then
    turns=(borrow)
    if [ -n "$(found 3.11)" ]; then turns+=("oldest 3.11"); fi
    for version in "${@:3}"; do
        if [ "$version" != 3.11 ] && [ -n "$(found "$version")" ]; then turns+=("newest $version"); fi
    done
    exec "$0" ${turns[$2 % ${#turns[@]}]}
fi

packages=$1 folder=$PWD/build/installed-$1${2+-$2}
wheel=$(echo "$PWD"/dist/hpcadmm-*.whl)
rm -rf "$folder"
mkdir -p "$folder/tree"
if [ "$packages" = borrow ]; then
    python=$PWD/.venv/bin/python
    "$python" -m pip install --quiet --no-deps --target "$folder/package" "$wheel"
    export PYTHONPATH=$folder/package PATH=$folder/package/bin:$PATH
    more=() # the kernels are compiled once
else
    python=$(found "$2")
    [ -n "$python" ] || { echo "skipped: there is no Python $2 here" && exit; }
    "$python" -m venv "$folder"
    python=$folder/bin/python PATH=$folder/bin:$PATH
    if [ "$packages" = oldest ]; then bounds; fi > "$folder/bounds.txt"
    "$python" -m pip install --quiet --disable-pip-version-check --no-compile -c "$folder/bounds.txt" \
        "$wheel[mpich,bf16,sklearn,tensorboard]" hypothesis pytest pytest-timeout pytest-xdist setuptools
fi
cp -r jobs slurm tests README.md pyproject.toml "$folder/tree"
cd "$folder/tree"
"$python" - << 'END'
import sys, hpcadmm, numba, numpy
print(f"Python {sys.version.split()[0]}, numpy {numpy.__version__}, numba {numba.__version__}: {hpcadmm.__file__}")
assert "/build/installed-" in hpcadmm.__file__
END
hpcadmm --version
"$python" -m pytest -q -p no:cacheprovider "${few[@]}" "${more[@]}"
