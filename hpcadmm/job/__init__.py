"""The job file: its tables as frozen dataclasses, overrides, and what may change when a run is resumed."""
