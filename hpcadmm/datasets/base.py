"""A dataset is its [data] table: a frozen dataclass of options that loads one rank's columns."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from hpcadmm.comm.world import World
from hpcadmm.datasets.choose import Order, check_parts, first, held_out, ordered, split, subset
from hpcadmm.datasets.fill import empty_labels, fill, room, width
from hpcadmm.datasets.formats.header import Columns
from hpcadmm.datasets.labels import Labelling, distinct
from hpcadmm.datasets.loaded import Loaded, Samples, Transform
from hpcadmm.datasets.loading import load
from hpcadmm.datasets.public.remote import Remote
from hpcadmm.datasets.table import Source, Table
from hpcadmm.datasets.transform import Affine
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import Tiles

Count = Annotated[int, Ge(1)]
Scale = Literal["auto", "none", "unit", "max"]
ONE_PART = 0.8  # the split of a dataset that has no test part, if data.split is left out


@dataclass(frozen=True, kw_only=True)
class Dataset(ABC):
    """The options every dataset has, applied in this order: classes, split, order, first, validation, positive,
    downsample, scale.

    path: folder or file; else $HPCADMM_DATA (or its subfolder of this name), else the user's cache.
    train, test: file names of the parts.
    scale: "unit" to [0, 1] (pixels by their range, else by least and largest value of the train part), "max"
    divides each feature, and each target of a regression, by its largest value; "auto" is unit for images, else none.
    standardise, standardise_targets: to mean 0 and deviation 1 of the train part, instead of `scale`. standardise =
    "auto", the default of csv, npz, hdf5 and libsvm: true where `scale` is "auto", for tables that hold no images and,
    in libsvm, whose values are not mostly zeros. The job.toml of a run has the choice in place of both "auto".
    Where it is false, a warning names features whose deviations differ a hundredfold and more, or whose mean is 10
    deviations and more from 0.
    downsample: average this many by this many pixels.
    classes: only these labels, which become 0, 1, ... in this order; positive: these labels become 1, all others 0.
    split: the fraction that goes to training where there is no test part (0.8 if left out), after a permutation drawn
    from split_seed, or in file order if shuffle is false.
    order: of the train part, before `first` takes its n: "file" is as the options above leave it; "shuffled" by a
    permutation drawn from split_seed; "labels" by the labels of the file, increasing (in a regression by the target),
    equal ones as they were: dealt in contiguous blocks, each worker then has few of the classes.
    first, first_test: only the first n samples of the train and the test part.
    validation: this share of the train part, drawn from split_seed whatever the job's seed, is not trained on and
    becomes the test part of the job, all of it; the real one is left alone. For choosing hyperparameters.
    """

    name: ClassVar[str]
    what: ClassVar[str]  # one line for `hpcadmm data list`
    expects: ClassVar[tuple[str, ...]] = ()  # file names, each plain or packed
    remotes: ClassVar[tuple[Remote, ...]] = ()
    plain: ClassVar[bool] = False  # never images, nor zeros left out?
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}

    path: str | None = None
    train: str | None = None
    test: str | None = None
    scale: Scale = "auto"
    standardise: bool | Literal["auto"] = False
    standardise_targets: bool = False
    downsample: Count = 1
    classes: list[int] | None = None
    positive: list[int] | None = None
    split: Annotated[float, Gt(0), Le(1)] | None = None
    split_seed: Annotated[int, Ge(0)] = 0
    shuffle: bool = True
    order: Order = "file"
    first: Count | None = None
    first_test: Count | None = None
    validation: Annotated[float, Gt(0), Lt(1)] | None = None

    def __post_init__(self) -> None:
        for key in ("classes", "positive"):
            given = getattr(self, key)
            if given is not None and (not given or len(set(given)) < len(given)):
                raise UsageError(f"data.{key} = {given}: needs at least one label, each once")
        if self.standardise is True and self.scale not in ("auto", "none"):
            raise UsageError(f"data.standardise = true and data.scale = {self.scale!r}: choose one of the two")

    def refuse_files(self) -> None:
        """For datasets that read no files of the user's."""
        for key in ("path", "train", "test"):
            if getattr(self, key) is not None:
                raise UsageError(f"data.{key} = {getattr(self, key)!r}: {self.name} reads no files; leave it out")

    @abstractmethod
    def sources(self, seed: int) -> tuple[Source, Source | None]:
        """The train and the test part as they lie in the files, headers checked; no test part: None."""

    def load(
        self,
        seed: int,
        world: World,
        dtype: Any,
        *,
        ones: bool,
        tile: int = 64,
        parts: int = 0,
        transform: Transform | None = None,
        columns: Columns | None = None,
    ) -> Loaded:
        """Read this rank's columns; collective over `world`.

        seed: of the job, for data that are drawn. dtype: of x, float32 or float64; transforms are computed in float64
        from the raw values and cast afterwards. ones: x has one more row, the last, of ones. tile: the least width of
        a tile. parts: cut the train part into so many even parts instead.
        transform: applied instead of the one that the train part would give; nothing is digested then.
        columns: those of the training that the data are brought to, by their names (None: not known).
        Raises UsageError, on all ranks, for options, files or values that will not do, and for too little memory.
        """
        return load(self, seed, world, dtype, ones, tile, parts, transform, columns)

    def select(self, train: Source, test: Source | None) -> tuple[Source, Source]:
        """Both parts after the options classes, split, order, first and validation."""
        if self.classes is not None:
            self.refuse_targets(train.table, "classes")
            train = subset(train, self.classes)
            test = test and (test if self.validation else subset(test, self.classes))
        if test is None:
            train, test = split(train, self.split or ONE_PART, self.shuffle, self.split_seed)
        elif self.split is not None:
            raise UsageError(f"data.split = {self.split}: these data have a test part of their own; leave split out")
        check_parts(train, test)
        train = first(ordered(train, self.order, self.split_seed), self.first, "first")
        if self.validation is not None:
            return held_out(train, self.validation, self.split_seed)
        return train, first(test, self.first_test, "first_test")

    def refuse_targets(self, table: Table, key: str) -> None:
        """Raise UsageError if the table has no classes."""
        if table.targets:
            raise UsageError(f"data.{key}: {table.where} has real targets, not classes")

    def labelling(self, tables: Sequence[Table]) -> Labelling | None:
        """How labels become classes; None for a regression."""
        if tables[0].targets:
            if self.positive is not None:
                self.refuse_targets(tables[0], "positive")
            return None
        if self.standardise_targets:
            raise UsageError(f"data.standardise_targets: {tables[0].where} has classes, not real targets")
        return Labelling.of(distinct(tables), tables[0].names, self.classes, self.positive)

    def read(
        self,
        source: Source,
        labelling: Labelling | None,
        tiles: Tiles,
        dtype: Any,
        ones: bool,
        transform: Affine | None = None,
    ) -> Samples:
        """This rank's columns of one part, transformed, or raw if that is None; targets are raw."""
        mine = Source(source.table, source.rows[tiles.lo : tiles.hi])
        features = width(source.table, self.downsample)
        x = room((features + ones, len(mine.rows)), dtype)
        x[features:] = 1
        labels = empty_labels(source.table, len(mine.rows))
        if len(mine.rows):
            fill(mine, x.T[:, :features], labels, self.downsample, transform)
        if labelling is not None:
            labelling.encode(labels, source.table, mine.rows)
        elif source.table.targets == 1:
            labels = labels[:, 0]
        return Samples(tiles.n, tiles, x, labels.T)
