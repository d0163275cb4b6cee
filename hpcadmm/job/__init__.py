"""The job file: its tables as frozen dataclasses, overrides, and the keys that may change when a run resumes."""
