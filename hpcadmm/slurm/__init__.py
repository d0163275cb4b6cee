"""Batch jobs under Slurm: what is asked for, the script, its submission, and what became of it. No MPI, no shell."""
