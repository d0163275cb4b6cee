"""ADMM for convex models: linear models with a convex loss and a penalty, over many samples."""
