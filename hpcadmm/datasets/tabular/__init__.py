"""Tables of mixed columns (numbers, text, dates, missing values): read once over all ranks, encoded by a schema."""
