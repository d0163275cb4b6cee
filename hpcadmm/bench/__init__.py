"""Benchmarks: of the machine, of a job's iteration against its floor or another job, and of one rank against several.

Nothing is imported here: `scaling` starts other processes and must not start MPI itself.
"""
