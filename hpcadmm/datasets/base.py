"""A dataset is its [data] table: a frozen dataclass of options that loads one rank's columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.datasets import loading
from hpcadmm.datasets.choose import Order, check_parts, first, held_out, ordered, sharded, split, subset
from hpcadmm.datasets.disk.lookup import find, missing, places, there
from hpcadmm.datasets.labels import Labelling, distinct
from hpcadmm.datasets.lean.window import amount
from hpcadmm.datasets.table import READING, Parts, Source, Table
from hpcadmm.errors import UsageError

Count = Annotated[int, Ge(1)]
Scale = Literal["auto", "none", "unit", "max"]
ONE_PART = 0.8  # default of data.split for a dataset without a test part


@dataclass(frozen=True)
class Remote:
    """A file to download. name: here and on a mirror. members: of a .tar.gz, {member: file name}."""

    url: str
    name: str
    sha256: str
    members: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """The files it leaves in the folder."""
        return tuple(self.members.values()) or (self.name,)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The options of every dataset, applied in this order: classes, split, order, first, validation, shards,
    positive, downsample, scale.

    path: folder or file (default: $HPCADMM_DATA or its subfolder of this name, then the user's cache).
    train, test: file names of the parts.
    scale: "unit" scales to [0, 1] (pixels by their range, others by the least and largest value of the train part);
    "max" divides each feature, and each target of a regression, by its largest value; "auto" is "unit" for images,
    else "none".
    standardise, standardise_targets: scale to mean 0 and standard deviation 1 of the train part, instead of `scale`.
    standardise = "auto" (default of csv, npz, hdf5 and libsvm) is true if scale = "auto" and the table holds no images
    and, in libsvm, not mostly zeros. A run's job.toml holds the choice that replaces "auto". If it is false, a warning
    names features whose deviations differ 100-fold or more, or whose mean is 10 deviations or more from 0.
    downsample: average blocks of this many by this many pixels.
    classes: use only these labels; they become 0, 1, ... in this order.
    positive: these labels become 1, all others 0.
    split: fraction of the samples to train on if there is no test part (default 0.8).
    split_seed: seed of the permutations of split, order, validation and shards (default 0).
    shuffle: permute the samples before the split (default true); false: in file order.
    order: of the train part, before `first`: "file" leaves it; "shuffled" permutes it by split_seed; "labels" sorts it
    by label (by target in a regression), so that each worker gets few of the classes.
    first, first_test: use only the first n samples of the train and the test part.
    validation: hold out this fraction of the train part, drawn from split_seed; it replaces the test part, which is
    not read. Use it to choose hyperparameters.
    shards: sort the train part by label (by target in a regression), cut it into this many even shards, and put them in
    an order drawn from split_seed (default: leave it as it is). N workers have shards / N of them each: with shards =
    16, each of 8 workers sees two to four of ten classes.
    memory: bytes of samples that a rank may hold, as "2 GB" (default: all). If a rank's samples take more, they stay on
    disk, and a buffer of this size holds those of the next minibatches, with the same results. The solvers sgd, adam,
    adagrad, adadelta, muon, soap, mpadmm, cg, lbfgs, gadmm, qgadmm and consensus with local steps, and dpsgd, diging
    and extra with a batch can do so.
    Labels and row numbers stay in memory. HDF5 is read from the file itself, fastest if its rows are not packed and not
    chunked. Other formats are read once into a scratch file of each rank in the folder TMPDIR (default /tmp), which
    should be on a disk and hold the samples in their raw type, float64 for a table; it is gone when the process ends,
    however it ends.
    Columns of Parquet, Arrow and text beyond this size wait in such a file, too, until they become features; the
    entries of a LIBSVM file are in memory while it is read.
    weight: how often each sample counts in training; weight 2 equals two copies of the row. A column, or array of
    hdf5 and npz (then `weight`_test is that of the test part), or a text file of one weight a line; metrics are
    weighted, too.
    "balanced": by class, n / (k n_c) for k classes, n_c of the n training samples in class c. {class = weight, ...}: by
    class, 1 for classes that are not named. Class weights are for training only, metrics count each sample once.
    Scaling and the values for missing numbers count each row once.
    """

    name: ClassVar[str]
    what: ClassVar[str]  # one line for `hpcadmm data list`
    expects: ClassVar[tuple[str, ...]] = ()  # file names, each plain or packed
    inside: ClassVar[str] = ""  # folder in the publisher's archive
    remotes: ClassVar[tuple[Remote, ...]] = ()
    plain: ClassVar[bool] = False  # never images, never sparse
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}

    path: str | None = None
    train: str | None = None
    test: str | None = None
    scale: Scale = "auto"
    standardise: bool | Literal["auto"] = False
    standardise_targets: bool | Literal["auto"] = False
    downsample: Count = 1
    classes: list[int | str] | None = None
    positive: list[int | str] | None = None
    split: Annotated[float, Gt(0), Le(1)] | None = None
    split_seed: Annotated[int, Ge(0)] = 0
    shuffle: bool = True
    order: Order = "file"
    first: Count | None = None
    first_test: Count | None = None
    validation: Annotated[float, Gt(0), Lt(1)] | None = None
    shards: Count | None = None
    memory: str | Count | None = None
    weight: int | str | dict[str, float] | None = None

    load = loading.load

    def __post_init__(self) -> None:
        for key in ("classes", "positive"):
            given = getattr(self, key)
            if given is not None and (not given or len(set(given)) < len(given)):
                raise UsageError(f"data.{key} = {given}: name at least one label, each once")
        if self.memory is not None:
            amount(self.memory)
        if self.standardise is True and self.scale not in ("auto", "none"):
            raise UsageError(f"data.standardise = true and data.scale = {self.scale!r}: choose one of the two")

    @property
    def held(self) -> int | None:
        """Bytes of samples that a rank may hold (None: all)."""
        return None if self.memory is None else amount(self.memory)

    def refuse_files(self) -> None:
        """For datasets that read none of the user's files."""
        for key in ("path", "train", "test"):
            if getattr(self, key) is not None:
                raise UsageError(f"data.{key} = {getattr(self, key)!r}: {self.name} reads no files; remove this key")

    @property
    def searched(self) -> list[Path]:
        """The folders in which the files of a public dataset are sought."""
        return [place / sub for place in places(self.path, self.name) for sub in {"": 0, self.inside: 0}]

    def located(self, name: str) -> Path:
        """The path of the file `name`, plain or packed. Raises UsageError that lists the folders searched."""
        path = find([name], self.searched)
        if path is None:
            raise missing(self.name, [name], self.searched, f"hpcadmm data download {self.name}")
        return path

    def only_file(self) -> Path:
        """The path of the one file of the dataset, which data.path may name itself."""
        return next(filter(there, self.searched), None) or self.located(self.train or self.expects[0])

    def sources(self, seed: int, world: World, classes: bool | None = None, columns: Any = None) -> Parts:
        """The train and the test part of the files, headers checked; None if there is no test part.

        classes: the loss needs classes (True) or real targets (False), for a table whose target may be read as either.
        columns: those of a training. Collective; raises UsageError on all ranks.
        """
        with world.together(READING), memory.spared("the rows"):
            train, test = self.parts(seed)
            for part in (train, test):
                if part is not None and columns is not None:
                    part.table.expect(columns)
        return train, test

    def parts(self, seed: int) -> Parts:
        """What `sources` returns, for a dataset whose files each rank opens by itself."""
        raise NotImplementedError

    @property
    def partial(self) -> bool:
        """Are these samples one batch of several, which may lack some of the classes?"""
        return False

    def has_test(self) -> bool:
        """Do the files have a test part of their own?"""
        return True

    def select(self, train: Source, test: Source | None) -> tuple[Source, Source]:
        """Both parts after the options classes, split, order, first, validation and shards."""
        if self.classes is not None:
            self.refuse_targets(train.table, "classes")
            train = self.of_classes(train)
            test = test and (test if self.validation else self.of_classes(test))
        if test is None:
            train, test = split(train, self.split or ONE_PART, self.shuffle, self.split_seed)
        elif self.split is not None:
            raise UsageError(f"data.split = {self.split}: this dataset has its own test part; remove data.split")
        check_parts(train, test)
        train = first(ordered(train, self.order, self.split_seed), self.first, "first")
        if self.validation is not None:
            train, test = held_out(train, self.validation, self.split_seed)
        else:
            test = first(test, self.first_test, "first_test")
        return sharded(train, self.shards, self.split_seed), test

    def of_classes(self, source: Source) -> Source:
        """The rows with one of the labels data.classes."""
        return subset(source, source.table.codes(self.classes or [], "classes"), self.classes)

    def learn(self, train: Source, test: Source, world: World, columns: Any = None) -> None:
        """Learn from the chosen rows how columns become features, for tables that need it. Collective."""

    def refuse_targets(self, table: Table, key: str) -> None:
        """Raise UsageError if the table has no classes."""
        if table.targets:
            raise UsageError(f"data.{key}: {table.where} has real targets, not classes")

    def labelling(self, tables: Sequence[Table], world: World) -> Labelling | None:
        """How labels become classes; None for a regression. Collective."""
        if tables[0].targets:
            if self.positive is not None:
                self.refuse_targets(tables[0], "positive")
            return None
        if self.standardise_targets is True:
            raise UsageError(f"data.standardise_targets: {tables[0].where} has classes, not real targets")
        keys = {"classes": self.classes, "positive": self.positive}
        codes = [None if given is None else tables[0].codes(given, key) for key, given in keys.items()]
        return Labelling.of(distinct(tables, world), tables[0].names, *codes)
