"""Scaling experiments: the same job on several numbers of ranks, measured, and reported with what the figures mean.

Nothing is imported here: `run` starts other processes and must not start MPI itself.
"""
