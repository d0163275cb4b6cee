"""Samples that do not lie in memory as an array: streamed from their file, or sparse."""
