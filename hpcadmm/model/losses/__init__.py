"""Losses: value, gradient and the prox of the z_L step."""

from hpcadmm.model.losses.base import Loss
from hpcadmm.model.losses.cross_entropy import CrossEntropy
from hpcadmm.model.losses.hinge import Hinge
from hpcadmm.model.losses.squared import Squared
from hpcadmm.registry import Registry

LOSSES = Registry("loss.name", Hinge, Squared, CrossEntropy)

__all__ = ["LOSSES", "CrossEntropy", "Hinge", "Loss", "Squared"]
