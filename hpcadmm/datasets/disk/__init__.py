"""Find and open data files, plain or packed; below every reader of a format."""
