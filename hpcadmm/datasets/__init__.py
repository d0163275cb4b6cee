"""Datasets: one a file; each rank reads only its own columns."""

from hpcadmm.datasets.california import California
from hpcadmm.datasets.cifar import Cifar10, Cifar100
from hpcadmm.datasets.digits import Digits
from hpcadmm.datasets.hdf5 import Hdf5
from hpcadmm.datasets.higgs import Higgs
from hpcadmm.datasets.idx import FashionMnist, Kmnist, Mnist
from hpcadmm.datasets.libsvm import Libsvm
from hpcadmm.datasets.npz import Npz
from hpcadmm.datasets.svhn import Svhn
from hpcadmm.datasets.synthetic import Synthetic
from hpcadmm.datasets.text import Csv
from hpcadmm.registry import Registry

DATASETS = Registry(
    "data.name",
    Digits,
    Synthetic,
    Mnist,
    FashionMnist,
    Kmnist,
    Cifar10,
    Cifar100,
    Svhn,
    Higgs,
    California,
    Hdf5,
    Npz,
    Csv,
    Libsvm,
)
