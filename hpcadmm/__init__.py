"""Train multilayer perceptrons by ADMM on any number of MPI ranks."""

__version__ = "0.5.0"
