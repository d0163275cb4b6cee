"""What is trained: networks, activations, losses, problems, and how a state lies over the ranks."""
