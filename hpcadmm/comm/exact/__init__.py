"""Sums that give the same bits on any number of ranks."""
