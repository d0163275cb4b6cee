"""Uses of a trained network: evaluate, predict, show, plot, export."""
