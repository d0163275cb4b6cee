"""Read a text table whose layout is known: who reads which bytes, parsing, faults."""
