"""ADMM with matrix penalties: one sum over the ranks a sweep."""
