"""What several tests use: small problems, runs on threads, made data, textbook solvers."""
