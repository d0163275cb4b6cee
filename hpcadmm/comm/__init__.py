"""Communication: the only package that imports mpi4py."""
