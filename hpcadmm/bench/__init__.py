"""Benchmarks: of the machine, and of a job's iteration against its floor or another job."""
