"""The public datasets, one a file, and the download of their files."""
