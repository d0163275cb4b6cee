"""Several jobs, or one job with several values, run one after another and read into one table.

`compare` and `tune` are the two experiments; plan, folder, runner and reading serve both.
"""
