"""Wang et al., KDD 2019: dlADMM, backward-forward sweeps with quadratic bounds."""
