"""Scaling experiments: run them, report them, and predict what has not been run."""
