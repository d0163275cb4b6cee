"""The common part of solvers of linear models with a penalty.

They minimise F(W) = (1/N) sum_i w_i l(W x_i, y_i) + P(W), N = sum_i w_i, where P leaves out the intercepts and l is
half the squared error for loss.name = "squared".
"""
