"""Taylor et al., ICML 2016: data-parallel ADMM without gradients."""
