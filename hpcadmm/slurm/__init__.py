"""Batch jobs under Slurm: request, script, submission, status. Uses no MPI and no shell."""
