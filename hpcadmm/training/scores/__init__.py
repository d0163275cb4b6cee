"""Scores of a network over all ranks: the same on any number of them."""
