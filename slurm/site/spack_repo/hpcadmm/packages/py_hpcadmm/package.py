from pathlib import Path

from spack_repo.builtin.build_systems.python import PythonPackage

from spack.package import *


class PyHpcadmm(PythonPackage):
    """Train multilayer perceptrons and linear models by ADMM on any number of MPI ranks."""

    # The clone in which this file lies. In a copy of it: the address of the repository.
    git = Path(__file__).parents[6].as_uri()

    license("BSD-3-Clause")

    version("main", branch="main")

    variant("plot", default=False, description="hpcadmm plot")
    variant("onnx", default=False, description="hpcadmm export to ONNX")
    variant("sklearn", default=False, description="Estimators for scikit-learn")
    variant("tensorboard", default=False, description="Curves for TensorBoard")

    import_modules = ["hpcadmm", "hpcadmm.cli", "hpcadmm.solvers", "hpcadmm.datasets"]

    depends_on("py-setuptools@77:", type="build")

    with default_args(type=("build", "run")):
        depends_on("python@3.11:")
        depends_on("mpi")
        depends_on("arrow+compute+dataset+parquet+snappy+zlib+zstd")
        depends_on("py-annotated-types")
        depends_on("py-click@8.1:")
        depends_on("py-h5py@3.10:")
        depends_on("py-mpi4py@4:")
        depends_on("py-numba@0.60:")
        depends_on("py-numpy@1.26:")
        depends_on("py-platformdirs")
        depends_on("py-pooch@1.8:")
        depends_on("py-pyarrow@15:")
        depends_on("py-pydantic@2.7:")
        depends_on("py-rich@13:")
        depends_on("py-scipy@1.11:")
        depends_on("py-threadpoolctl@3.3:")
        depends_on("py-tomli-w@1:")
        depends_on("py-matplotlib@3.8:", when="+plot")
        depends_on("py-onnx@1.16:", when="+onnx")
        depends_on("py-scikit-learn@1.6:", when="+sklearn")
        depends_on("py-tensorboardx@2.6:", when="+tensorboard")
