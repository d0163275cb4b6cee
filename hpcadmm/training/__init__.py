"""The outer loop and what it needs: setup, kernels, measuring, stopping, progress, restart."""
