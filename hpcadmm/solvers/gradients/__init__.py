"""The gradient methods: SGD, Adagrad, Adadelta, Adam, CG, L-BFGS."""
