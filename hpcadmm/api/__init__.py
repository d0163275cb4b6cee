"""The Python API, which hpcadmm/__init__.py documents: train, use and compare networks from a program."""
