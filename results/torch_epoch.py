"""PyTorch's Adam on MNIST, 784-300-300-10, minibatches, He's start: seconds and test accuracy of each epoch, as JSON.

What `adam` is held against; run by an interpreter that has torch (no dependency here): results/make.sh torch.
"""

import argparse
import gzip
import json
import os
import time
from pathlib import Path

import numpy as np
import torch


def idx(name: str) -> np.ndarray:
    """An IDX file of bytes, plain or compressed, from HPCADMM_DATA."""
    path = next(p for p in sorted(Path(os.environ["HPCADMM_DATA"]).rglob(f"{name}*")) if p.parent.name == "mnist")
    raw = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
    return np.frombuffer(raw, np.uint8, offset=16 if "images" in name else 8)


def part(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of 784 numbers in 0..1, and classes."""
    x = idx(f"{name}-images-idx3-ubyte").reshape(-1, 784).astype(np.float32) / 255
    return torch.from_numpy(x), torch.from_numpy(idx(f"{name}-labels-idx1-ubyte").astype(np.int64))


def network() -> torch.nn.Sequential:
    """Linear layers with ReLU between them."""
    linear = [torch.nn.Linear(a, b) for a, b in ((784, 300), (300, 300), (300, 10))]
    for layer in linear:
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        torch.nn.init.zeros_(layer.bias)
    return torch.nn.Sequential(linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2])


def main() -> None:
    told = argparse.ArgumentParser()
    for name, kind, default in (("threads", int, 2), ("seed", int, 0), ("epochs", int, 8), ("batch", int, 128)):
        told.add_argument(f"--{name}", type=kind, default=default)
    told.add_argument("--rate", type=float, default=1e-3)
    told = told.parse_args()
    torch.set_num_threads(told.threads)
    torch.manual_seed(told.seed)
    (x, labels), (test, truth), model = part("train"), part("t10k"), network()
    optimiser = torch.optim.Adam(model.parameters(), lr=told.rate, fused=True)
    steps = told.epochs * -(-len(x) // told.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    seconds, accuracy = [], []
    for _ in range(told.epochs):
        start = time.perf_counter()
        order = torch.randperm(len(x))
        for lo in range(0, len(x), told.batch):
            some = order[lo : lo + told.batch]
            optimiser.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(model(x[some]), labels[some]).backward()
            optimiser.step()
            schedule.step()
        seconds.append(time.perf_counter() - start)
        with torch.no_grad():
            accuracy.append(float((model(test).argmax(1) == truth).float().mean()))
    print(json.dumps({"torch": torch.__version__, **vars(told), "seconds": seconds, "test_accuracy": accuracy}))


main()
