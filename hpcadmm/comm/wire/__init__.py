"""What travels in fewer bits: coded messages and the stochastic quantizer."""
