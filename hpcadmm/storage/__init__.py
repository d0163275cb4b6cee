"""Run folders, checkpoints and metrics; with `datasets` the only place that imports h5py."""
