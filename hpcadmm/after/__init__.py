"""What is done with a trained network: evaluate, predict, show, plot, export."""
