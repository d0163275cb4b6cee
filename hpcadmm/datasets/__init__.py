"""Datasets; each rank reads only its own columns."""

from hpcadmm.registry import Registry

DATASETS = Registry(
    "data.name",
    group="hpcadmm.datasets",
    base="hpcadmm.datasets.base:Dataset",
    later={
        "digits": "hpcadmm.datasets.public.digits:Digits",
        "synthetic": "hpcadmm.datasets.public.synthetic:Synthetic",
        "mnist": "hpcadmm.datasets.public.idx:Mnist",
        "fashion-mnist": "hpcadmm.datasets.public.idx:FashionMnist",
        "kmnist": "hpcadmm.datasets.public.idx:Kmnist",
        "cifar-10": "hpcadmm.datasets.public.cifar:Cifar10",
        "cifar-100": "hpcadmm.datasets.public.cifar:Cifar100",
        "svhn": "hpcadmm.datasets.public.svhn:Svhn",
        "higgs": "hpcadmm.datasets.public.higgs:Higgs",
        "california": "hpcadmm.datasets.public.california:California",
        "hdf5": "hpcadmm.datasets.formats.hdf5:Hdf5",
        "npz": "hpcadmm.datasets.formats.npz:Npz",
        "csv": "hpcadmm.datasets.formats.tables:Csv",
        "parquet": "hpcadmm.datasets.formats.tables:Parquet",
        "arrow": "hpcadmm.datasets.formats.tables:Arrow",
        "libsvm": "hpcadmm.datasets.formats.libsvm:Libsvm",
        "arrays": "hpcadmm.datasets.formats.arrays:InMemory",
        "frame": "hpcadmm.datasets.formats.frames:Frame",
    },
)
