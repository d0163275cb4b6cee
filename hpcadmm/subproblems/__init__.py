"""The argmins of the papers: pure functions of arrays, without MPI and without state."""
