"""Datasets: one a file; each rank reads only its own columns."""

from hpcadmm.registry import Registry

DATASETS = Registry(
    "data.name",
    later={
        "digits": "hpcadmm.datasets.digits:Digits",
        "synthetic": "hpcadmm.datasets.synthetic:Synthetic",
        "mnist": "hpcadmm.datasets.idx:Mnist",
        "fashion-mnist": "hpcadmm.datasets.idx:FashionMnist",
        "kmnist": "hpcadmm.datasets.idx:Kmnist",
        "cifar-10": "hpcadmm.datasets.cifar:Cifar10",
        "cifar-100": "hpcadmm.datasets.cifar:Cifar100",
        "svhn": "hpcadmm.datasets.svhn:Svhn",
        "higgs": "hpcadmm.datasets.higgs:Higgs",
        "california": "hpcadmm.datasets.california:California",
        "hdf5": "hpcadmm.datasets.hdf5:Hdf5",
        "npz": "hpcadmm.datasets.npz:Npz",
        "csv": "hpcadmm.datasets.text:Csv",
        "libsvm": "hpcadmm.datasets.libsvm:Libsvm",
    },
)
