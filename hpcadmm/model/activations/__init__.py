"""Activations: value, derivative and the prox of the z steps."""

from hpcadmm.model.activations.base import Activation
from hpcadmm.model.activations.relu import LeakyRelu, Relu
from hpcadmm.model.activations.tanh import Sigmoid, Tanh
from hpcadmm.registry import Registry

ACTIVATIONS = Registry(
    "network.activation",
    *(Relu, LeakyRelu, Tanh, Sigmoid),
    group="hpcadmm.activations",
    base="hpcadmm.model.activations.base:Activation",
)

__all__ = ["ACTIVATIONS", "Activation", "LeakyRelu", "Relu", "Sigmoid", "Tanh"]
