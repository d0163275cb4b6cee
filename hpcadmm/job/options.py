"""The tables of a job file whose keys depend on no name: [network], [stop], [save], [evaluate], [log]; and no table."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from hpcadmm.errors import UsageError
from hpcadmm.model.activations.base import Activation
from hpcadmm.model.network import Network
from hpcadmm.model.scores import CHOICES, keyed
from hpcadmm.products import ENGINES

Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]
Share = Annotated[float, Ge(0), Lt(1)]
NotNegative = Annotated[float, Ge(0), Lt(math.inf)]
HOMOGENEOUS = "relu", "leaky-relu"  # h(c z) = c h(z), c > 0


@dataclass(frozen=True)
class Head:
    """The keys outside the tables.

    name: the name of the run; default: the name of the file.
    seed: of all random numbers, default 0.
    precision: "float64" (default) or "float32"; "bfloat16" (needs the extra bf16): as float32, but the factors of the
        large matrix products are rounded to bfloat16 and summed in float32.
    threads: BLAS threads a rank, default 1; other numbers change the last bits of the results.
    tile: samples that are multiplied and added to a sum together, a power of two from 64 to 8192; default 0: some 60
        tiles of 64 to 1024 samples, at least 3/5 of the widest layer's units. Other widths change the last bits of the
        results and may be faster: `hpcadmm bench JOB --against tile=2048` measures that. Fewer tiles than ranks leave
        ranks idle. Not for solvers that cut batches into parts.
    """

    name: str
    seed: Annotated[int, Ge(0)] = 0
    precision: str = "float64"
    threads: Count = 1
    tile: Literal[0, 64, 128, 256, 512, 1024, 2048, 4096, 8192] = 0

    def __post_init__(self) -> None:
        if self.precision not in ENGINES:
            raise UsageError(ENGINES.unknown(self.precision))


@dataclass(frozen=True)
class Layers:
    """[network], without the parameters of the activation.

    hidden: units of each hidden layer; [] is a linear model (default).
    activation: its name, default "relu".
    bias: give every layer a bias, default true.
    dropout: in training, the share of the units of each hidden layer that are left out, drawn anew for each sample in
        each step; those that stay are multiplied by 1 / (1 - dropout). In [0, 1); a list: one for each hidden layer.
        For the minibatch solvers and mpadmm, as are the noises. Default 0.
    dropout_inputs: the same for the features, default 0.
    noise: "bernoulli" (default): dropout as above; "gaussian": units are multiplied by normal numbers of mean 1 and
        variance dropout / (1 - dropout), those of "bernoulli" [Srivastava et al., JMLR 2014, section 10].
    noise_inputs: in training, normal noise of this standard deviation is added to the features as the network sees them
        (scaled or standardised). Default 0.
    noise_units: the same for the input of each hidden unit after its normalisation; needs norm = "batch". Default 0.
    norm: "none" (default); "batch": in training, the input of each hidden unit has mean 0 and variance 1 over the
        samples of a part of the batch (solver.cut) before the bias is added [Ioffe, Szegedy, ICML 2015]. The weights
        of metrics, checkpoints and export are those of a plain network, with means and variances over the training
        samples, which takes one more pass forward for each. For the minibatch solvers, with biases and relu or
        leaky-relu.
    """

    hidden: list[Count] = field(default_factory=list)
    activation: str = "relu"
    bias: bool = True
    dropout: Share | list[Share] = 0.0
    dropout_inputs: Share = 0.0
    noise: Literal["bernoulli", "gaussian"] = "bernoulli"
    noise_inputs: NotNegative = 0.0
    noise_units: NotNegative = 0.0
    norm: Literal["none", "batch"] = "none"

    def __post_init__(self) -> None:
        given, layers = self.dropout, len(self.hidden)
        if isinstance(given, list) and len(given) != layers:
            raise UsageError(f"network.dropout has {len(given)} entries, and network.hidden has {layers} layers")
        if given and not layers:
            raise UsageError(
                f"network.dropout = {given}: there are no hidden layers; dropout_inputs is for the features"
            )
        if self.noise == "gaussian" and not self.rates:
            raise UsageError('network.noise = "gaussian" is the kind of dropout: set network.dropout or dropout_inputs')
        if self.noise_units and self.norm == "none":
            raise UsageError(f'network.noise_units = {self.noise_units}: needs network.norm = "batch"')
        if self.norm == "batch" and not (layers and self.bias and self.activation in HOMOGENEOUS):
            able = " or ".join(HOMOGENEOUS)
            raise UsageError(f'network.norm = "batch": needs hidden layers with biases and the activation {able}')

    @property
    def rates(self) -> tuple[float, ...]:
        """The dropout of features and hidden layers; (): none.

        >>> Layers([5, 4], dropout=0.5).rates, Layers([5], dropout=[0.0]).rates
        ((0.0, 0.5, 0.5), ())
        """
        hidden = self.dropout if isinstance(self.dropout, list) else [self.dropout] * len(self.hidden)
        rates = (self.dropout_inputs, *hidden)
        return rates if any(rates) else ()

    @property
    def random(self) -> list[str]:
        """The keys that need random numbers for each sample in training."""
        given = {"dropout": any(self.rates[1:]), "dropout_inputs": self.dropout_inputs}
        given |= {"noise_inputs": self.noise_inputs, "noise_units": self.noise_units}
        return [key for key, value in given.items() if value]

    def network(self, features: int, outputs: int, activation: Activation) -> Network:
        """The network of these layers."""
        n, noises = (features, *self.hidden, outputs), (self.noise, self.noise_inputs, self.noise_units)
        return Network(n, activation, self.bias, self.rates, *noises, self.norm == "batch")


@dataclass(frozen=True)
class Stop:
    """[stop]: the first rule that is met ends the run, and the run says which.

    iterations: at most this many, with solver.path of each fit; default 100. The other rules are off by default.
    minutes: of solver time.
    accuracy: test accuracy, a fraction; needs test samples; in a regression use `tolerance`.
    tolerance: relative change of the objective between two measured iterations.
    tolerance_absolute: the same, absolute.
    residual: primal residual relative to the norm of the variables.
    residual_absolute: the same, absolute.
    absolute, relative: for solvers with a [penalty]: the primal residual is at most absolute + relative * the norm of
        its variables, and the dual one at most absolute + relative * that of the multipliers [Boyd et al. 2011, 3.3.1].
    gap: for them: the duality gap relative to the objective, where a bound of the minimum is known.
    patience: measured iterations without a better `save.best`, or test accuracy or error; needs test samples.
    error: for solvers that know the optimum f*: `objective_error` (at the workers) and `mean_error` (at their mean)
        are within it, and the relative primal residual is within its square root. The objective error alone passes
        through 0 long before the workers agree.
    """

    iterations: Count = 100
    minutes: Positive | None = None
    accuracy: Annotated[float, Gt(0), Le(1)] | None = None
    tolerance: Positive | None = None
    tolerance_absolute: Positive | None = None
    residual: Positive | None = None
    residual_absolute: Positive | None = None
    absolute: Positive | None = None
    relative: Positive | None = None
    gap: Positive | None = None
    patience: Count | None = None
    error: Positive | None = None


@dataclass(frozen=True)
class Save:
    """[save]: checkpoints.

    every: iterations between checkpoints, default 0: only at the end.
    minutes: of solver time between checkpoints, default 10.
    keep: number of checkpoints to keep, default 3.
    state: "full" (default) resumes bit for bit; "weights" is smaller and restarts from the weights.
    best: a number of metrics.jsonl, such as "test_accuracy": the weights of the measured iteration where it is best
        stay in checkpoints/best; evaluate, predict and export use them, stop.patience follows it. Off by default.
    """

    every: Annotated[int, Ge(0)] = 0
    minutes: Positive | None = 10.0
    keep: Count = 3
    state: Literal["full", "weights"] = "full"
    best: str | None = None


@dataclass(frozen=True)
class Evaluate:
    """[evaluate]: measurements, which never count as solver time.

    every: iterations between measurements, default 1; 0: only at the end.
    train: measure the training part, too: objective, residuals, accuracy; default true. false: only the test part,
        which is quicker; then the run diverges if its weights are not finite, whatever the objective.
    metrics: further scores in metrics.jsonl, of the test part, or with the prefix train_ of the train part. Of classes:
        balanced_accuracy, log_loss, roc_auc, macro_precision, macro_recall, macro_f1, and of two classes precision,
        recall, f1 (of the second class); of real targets, in their own units: rmse, mae, r2. Default: none.
    """

    every: Annotated[int, Ge(0)] = 1
    train: bool = True
    metrics: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if strange := [metric for metric in self.metrics if keyed(metric)[1] not in CHOICES]:
            known = f"known are {', '.join(CHOICES)}, also with the prefix train_"
            raise UsageError(f"evaluate.metrics: {strange[0]!r}: {known}")


@dataclass(frozen=True)
class Log:
    """[log]: where measured rows go besides metrics.jsonl.

    to: "tensorboard" (needs the extra tensorboard): event files in the folder `tensorboard` of the run; or a callback
        of an installed package, its entry point in the group hpcadmm.callbacks; several as a list. Default: nowhere.
    """

    to: str | list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Of the callbacks, each once.

        >>> Log("tensorboard").names, Log().names
        (['tensorboard'], [])
        """
        return list(dict.fromkeys([self.to] if isinstance(self.to, str) else self.to))
