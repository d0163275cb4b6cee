"""What a column of a table becomes: a number, a date or categories; each learned from the train part."""
