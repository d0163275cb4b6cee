"""Wang et al., ICDM 2020: pdADMM, layers dealt to ranks."""
