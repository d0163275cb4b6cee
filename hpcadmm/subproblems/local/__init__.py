"""What a worker solves by itself: its own problem exactly, or a few steps towards its minimum."""
