"""PyTorch as the rival of hpcadmm's solvers: a `solver.name = "program"` that `hpcadmm compare` and `tune` start.

    python torch_rival.py [--ddp] JOB --data FOLDER --out RUN --threads N

trains the job's network (He's start, the job's activation and loss) with the optimiser `solver.method` and appends to
RUN/metrics.jsonl a line per evaluation; at the end it writes RUN/summary.json. Seconds are those of drawing batches,
forward, backward and optimiser steps; loading, two steps that warm up and are forgotten, and evaluation do not count.
precision = "bfloat16" runs forward and backward under autocast.

--ddp, under an MPI launcher: DistributedDataParallel over gloo, a process a rank, with N / ranks threads and its share
of each batch. They meet by a file in RUN; GLOO_SOCKET_IFNAME names the network.

methods: adam, adamw, sgd (Nesterov), muon (hidden matrices; Adam for the rest), kfac (sgd along K-FAC's directions;
needs the package kfac-pytorch). options, with their defaults:
    rate 1e-3, batch 128, schedule "constant" ("cosine", "onecycle": over `epochs` epochs, default 10), decay 0,
    momentum 0.9 (sgd, kfac), 0.95 (muon), beta1 0.9, beta2 0.999 (adam), ends "adam" ("muon": W_1 too), compile false,
    damping 1e-3, refresh 1 (kfac: steps from one pair of factors and inverses to the next).
Runs in an environment of its own, see requirements.txt.
"""

import argparse
import copy
import json
import math
import os
import time
import tomllib
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import distributed
from torch.nn import functional

ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "leaky-relu": torch.nn.LeakyReLU,
    "tanh": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
}
DEFAULTS = {
    "rate": 1e-3,
    "batch": 128,
    "schedule": "constant",
    "epochs": 10,
    "decay": 0.0,
    "beta1": 0.9,
    "beta2": 0.999,
}
DEFAULTS |= {"momentum": None, "ends": "adam", "compile": False, "damping": 1e-3, "refresh": 1}


class Options(argparse.Namespace):
    """solver.options over DEFAULTS. Raises SystemExit for one that is not known."""

    def __init__(self, given):
        if strange := set(given) - set(DEFAULTS):
            raise SystemExit(f"Error: solver.options: {min(strange)}: known are {', '.join(DEFAULTS)}")
        super().__init__(**DEFAULTS | given)


def part(folder, name):
    """The inputs and the classes (int64) or targets of a part."""
    x, y = (np.load(folder / f"{kind}_{name}.npy") for kind in "xy")
    return torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(np.ascontiguousarray(y))


def network(sizes, activation, bias):
    """Linear layers with the activation between them: weights N(0, 2 / inputs), biases 0."""
    layers = []
    for n, m in pairwise(sizes):
        linear = torch.nn.Linear(n, m, bias=bias)
        torch.nn.init.normal_(linear.weight, std=math.sqrt(2 / n))
        if bias:
            torch.nn.init.zeros_(linear.bias)
        layers += [linear, ACTIVATIONS[activation]()]
    return torch.nn.Sequential(*layers[:-1])


class Task:
    """The job's loss, and the accuracy of outputs; one output for two classes with hinge, as in hpcadmm."""

    def __init__(self, job, y):
        self.name, self.smoothing = job["loss"]["name"], job["loss"].get("smoothing", 0.0)
        self.classes = 0 if y.dtype.is_floating_point else int(y.max()) + 1
        targets = 1 if y.ndim == 1 else y.shape[1]
        self.outputs = self.classes or targets
        if self.name == "hinge" and self.classes == 2:
            self.outputs = 1

    def signs(self, y):
        """+1 for the true class, -1 for the others."""
        if self.outputs == 1:
            return (2 * y - 1).unsqueeze(1).float()
        return 2.0 * functional.one_hot(y, self.outputs) - 1

    def loss(self, z, y):
        if self.name == "cross-entropy":
            return functional.cross_entropy(z, y, label_smoothing=self.smoothing)
        if self.name == "hinge":
            return functional.relu(1 - self.signs(y) * z).sum(1).mean()
        return functional.mse_loss(z, (self.signs(y) if self.classes else y.reshape(len(y), -1)).to(z.dtype))

    def score(self, z, y):
        """("test_accuracy", fraction right), or ("test_error", mean squared error)."""
        if not self.classes:
            return "test_error", float(((z - y.reshape(len(y), -1)) ** 2).mean())
        guess = (z[:, 0] > 0).long() if self.outputs == 1 else z.argmax(1)
        return "test_accuracy", float((guess == y).double().mean())


class KFAC(torch.optim.SGD):
    """SGD along K-FAC's directions: kfac-pytorch changes the gradients before each step."""

    def __init__(self, model, o, **options):
        try:
            from kfac.preconditioner import KFACPreconditioner
        except ModuleNotFoundError as error:
            raise SystemExit("Error: solver.method = 'kfac' needs the package kfac-pytorch") from error
        super().__init__(model.parameters(), **options)
        for layer in model.modules():  # of a preconditioner before, which the warm-up had
            layer._forward_pre_hooks.clear()
            layer._backward_hooks.clear()
        refresh = int(o.refresh)
        self.directions = KFACPreconditioner(
            model, factor_update_steps=refresh, inv_update_steps=refresh, damping=o.damping, lr=o.rate
        )

    def step(self):
        self.directions.step()
        super().step()


def optimisers(method, model, o):
    """The optimisers that together move all parameters."""
    every = list(model.parameters())
    adam = {"lr": o.rate, "betas": (o.beta1, o.beta2), "fused": True}
    if method == "adam":
        return [torch.optim.Adam(every, weight_decay=o.decay, **adam)]
    if method == "adamw":
        return [torch.optim.AdamW(every, weight_decay=o.decay, **adam)]
    if method in ("sgd", "kfac"):
        momentum = 0.9 if o.momentum is None else o.momentum
        sgd = {"lr": o.rate, "momentum": momentum, "nesterov": momentum > 0, "weight_decay": o.decay, "fused": True}
        return [torch.optim.SGD(every, **sgd) if method == "sgd" else KFAC(model, o, **sgd)]
    if method == "muon":
        matrices = [layer.weight for layer in model if isinstance(layer, torch.nn.Linear)]
        matrices = matrices[0 if o.ends == "muon" else 1 : -1]
        rest = [p for p in every if all(p is not m for m in matrices)]
        momentum = 0.95 if o.momentum is None else o.momentum
        muon = {"lr": o.rate, "momentum": momentum, "weight_decay": o.decay, "adjust_lr_fn": "match_rms_adamw"}
        return [torch.optim.Adam(rest, **adam), *([torch.optim.Muon(matrices, **muon)] if matrices else [])]
    raise SystemExit(f"Error: solver.method = {method!r}: known are adam, adamw, sgd, muon, kfac")


def schedules(chosen, o, steps):
    """What changes the rates after each step; nothing for a constant rate. steps: of an epoch."""
    total = steps * int(o.epochs)
    if o.schedule == "onecycle":
        return [torch.optim.lr_scheduler.OneCycleLR(one, o.rate, total_steps=total) for one in chosen]
    if o.schedule == "cosine":
        return [torch.optim.lr_scheduler.CosineAnnealingLR(one, total) for one in chosen]
    return []


class Trainer:
    """One network in training. step(k) is step k = 0, 1, ...; its batch is the next share of a permutation.

    ranks: (rank, size) of the processes that train it together, each with its share of a batch.
    """

    def __init__(self, job, o, task, model, x, y, ranks=(0, 1)):
        self.rank, self.size = ranks
        self.task, self.model, self.x, self.y = task, model, x, y
        self.batch = min(int(o.batch) or len(x), len(x))
        self.steps = -(-len(x) // self.batch)
        self.method, self.options = job["solver"]["method"], o
        self.most = self.steps * int(o.epochs) if o.schedule != "constant" else math.inf
        self.call = torch.compile(model) if o.compile else model
        if self.size > 1:
            self.call = torch.nn.parallel.DistributedDataParallel(self.call)
        rounded = job["precision"] == "bfloat16"
        self.autocast = (lambda: torch.autocast("cpu", torch.bfloat16)) if rounded else nullcontext
        self.begin(job["seed"])
        self.warm(job["seed"] + 1)

    def begin(self, seed):
        """Before the first step."""
        torch.manual_seed(seed)
        self.order = None
        self.optimisers = optimisers(self.method, self.model, self.options)
        self.schedules = schedules(self.optimisers, self.options, self.steps)

    def warm(self, seed):
        """Compile and allocate in steps with the first and the last batch of an epoch, then forget them."""
        before = copy.deepcopy(self.model.state_dict())
        for k in {0: 0, self.steps - 1: 0}:
            self.step(k)
        self.score(self.x[:8192], self.y[:8192])
        self.model.load_state_dict(before)
        self.begin(seed)

    def step(self, k):
        if k % self.steps == 0:
            self.order = torch.randperm(len(self.x))
        some = self.order[k % self.steps * self.batch : (k % self.steps + 1) * self.batch][self.rank :: self.size]
        with self.autocast():
            loss = self.task.loss(self.call(self.x[some]), self.y[some])
        for one in self.optimisers:
            one.zero_grad(set_to_none=True)
        loss.backward()
        for one in (*self.optimisers, *self.schedules):
            one.step()
        return loss

    @property
    def sent(self):
        """Bytes that all ranks send in a step."""
        return sum(p.numel() * p.element_size() for p in self.model.parameters()) * self.size if self.size > 1 else 0

    def agreed(self, number):
        """That of rank 0."""
        if self.size == 1:
            return number
        told = torch.tensor(number, dtype=torch.float64)
        distributed.broadcast(told, 0)
        return float(told)

    def score(self, x, y):
        with torch.no_grad():  # in float32, as hpcadmm's
            z = torch.cat([self.model(some) for some in x.split(8192)])
        return self.task.score(z, y)


def train(trainer, stop, every, test, record):
    """Train until a rule of [stop] ends it: (state, reason, steps, seconds)."""
    most, minutes, target = stop["iterations"], stop.get("minutes"), stop.get("accuracy")
    seconds, k, loss = 0.0, 0, None
    while True:
        begin, end = time.perf_counter(), min(k - k % every + every if every else most, most, trainer.most)
        while k < end and not (trainer.size == 1 and minutes and seconds + time.perf_counter() - begin >= 60 * minutes):
            loss = trainer.step(k)
            k += 1
        seconds = trainer.agreed(seconds + time.perf_counter() - begin)
        name, value = trainer.score(*test)
        reached = trainer.agreed(float(loss.detach()))
        record({"iteration": k, "seconds": seconds, "epochs": k / trainer.steps, "batch_loss": reached,
                name: value, "messages": k * trainer.size, "bytes": k * trainer.sent})  # fmt: skip
        if not math.isfinite(reached):
            return "diverged", f"diverged: the loss is {reached}", k, seconds
        if target is not None and name == "test_accuracy" and value >= target:
            return "finished", f"test accuracy {value:.4f} reached {target}", k, seconds
        if minutes and seconds >= 60 * minutes:
            return "finished", f"{minutes:g} minutes of training", k, seconds
        if k >= min(most, trainer.most):
            return "finished", f"{k} iterations" if k >= most else "the end of the schedule", k, seconds


def refuse(job, data):
    """Raise SystemExit for what this program cannot do."""
    layers = job["network"]
    cannot = {"network.dropout": layers.get("dropout"), "network.dropout_inputs": layers.get("dropout_inputs")}
    cannot |= {"data.weight": (data / "weight_train.npy").exists()}
    asked = [key for key, value in cannot.items() if np.any(value)]
    if asked:
        raise SystemExit(f"Error: {asked[0]}: torch_rival.py cannot")


def joined(out):
    """(rank, size) of the launcher, its processes joined."""
    names = ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE")
    found = next((pair for pair in names if pair[0] in os.environ), None)
    if found is None:
        raise SystemExit("Error: --ddp needs an MPI launcher around it: mpirun -n 2 python torch_rival.py --ddp ...")
    rank, size = (int(os.environ[name]) for name in found)
    meeting = (out / "rendezvous").resolve()
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    return rank, size


def main():
    told = argparse.ArgumentParser()
    told.add_argument("job", type=Path)
    told.add_argument("--ddp", action="store_true")
    for name in ("--data", "--out"):
        told.add_argument(name, type=Path, required=True)
    told.add_argument("--threads", type=int, default=1)
    told = told.parse_args()
    job = tomllib.loads(told.job.read_text(encoding="utf-8"))
    refuse(job, told.data)
    ranks = joined(told.out) if told.ddp else (0, 1)
    torch.set_num_threads(max(1, told.threads // ranks[1]))
    torch.manual_seed(job["seed"])
    o, (x, y), test = Options(job["solver"].get("options", {})), part(told.data, "train"), part(told.data, "test")
    task = Task(job, y)
    model = network(
        [x.shape[1], *job["network"]["hidden"], task.outputs], job["network"]["activation"], job["network"]["bias"]
    )
    model = model.to(x.dtype)
    trainer = Trainer(job, o, task, model, x, y, ranks)
    with open(told.out / "metrics.jsonl" if not ranks[0] else os.devnull, "w", encoding="utf-8") as file:

        def record(row):
            values = {
                key: value if not isinstance(value, float) or math.isfinite(value) else None
                for key, value in row.items()
            }
            file.write(json.dumps(values) + "\n")
            file.flush()

        state, reason, steps, seconds = train(trainer, job["stop"], job["evaluate"]["every"], test, record)
    summary = {"state": state, "stop_reason": reason, "iterations": steps, "ranks": ranks[1], "threads": told.threads}
    summary |= {
        "seconds": seconds,
        "program": f"torch {torch.__version__}",
        "kernels": torch.backends.cpu.get_cpu_capability(),
    }
    if not ranks[0]:
        (told.out / "summary.json").write_text(json.dumps(summary) + "\n", encoding="utf-8")
    if told.ddp:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
