"""`compare` runs several jobs, `tune` one job with several values; both read the runs into one table."""
