"""Files that a command is given, not a job: recognised, inspected, converted, and those to predict."""
