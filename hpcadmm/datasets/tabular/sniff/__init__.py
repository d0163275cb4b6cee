"""Find how a text table is written from a sample of it: encoding, delimiter, header, types."""
