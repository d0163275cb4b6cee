"""Readers of file formats, and how files are found and opened."""
