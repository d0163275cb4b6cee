"""Workers with samples and weights of their own: GADMM, Q-GADMM and the server-based baselines."""
