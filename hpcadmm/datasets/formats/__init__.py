"""Readers of file formats; find and open files."""
