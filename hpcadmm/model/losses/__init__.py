"""Losses: value, gradient and the prox of the z_L step."""

from hpcadmm.model.losses.base import Loss
from hpcadmm.model.losses.cross_entropy import CrossEntropy
from hpcadmm.model.losses.hinge import Hinge
from hpcadmm.model.losses.huber import Huber
from hpcadmm.model.losses.logistic import Logistic
from hpcadmm.model.losses.poisson import Poisson
from hpcadmm.model.losses.quantile import Quantile
from hpcadmm.model.losses.squared import Squared
from hpcadmm.registry import Registry

LOSSES = Registry(
    "loss.name",
    *(Hinge, Squared, CrossEntropy, Logistic, Huber, Poisson, Quantile),
    group="hpcadmm.losses",
    base="hpcadmm.model.losses.base:Loss",
)

__all__ = ["LOSSES", "CrossEntropy", "Hinge", "Huber", "Logistic", "Loss", "Poisson", "Quantile", "Squared"]
