"""Penalties of the coefficients of linear models: value, prox and conjugate."""

from hpcadmm.model.penalties.base import Penalty
from hpcadmm.model.penalties.box import Box
from hpcadmm.model.penalties.elastic_net import L1, L2, ElasticNet, NoPenalty
from hpcadmm.model.penalties.group import Group
from hpcadmm.registry import Registry

PENALTIES = Registry(
    "penalty.name",
    *(NoPenalty, L1, L2, ElasticNet, Group, Box),
    group="hpcadmm.penalties",
    base="hpcadmm.model.penalties.base:Penalty",
)

__all__ = ["L1", "L2", "PENALTIES", "Box", "ElasticNet", "Group", "NoPenalty", "Penalty"]
