"""What two solver families or more use."""
