"""The public datasets and their download."""
