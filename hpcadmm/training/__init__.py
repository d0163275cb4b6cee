"""The outer loop and its parts: setup, rehearsal of kernels, measuring, stopping, progress, restart."""
