"""export: numpy and ONNX give what the network gives."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from scipy.special import softmax

from hpcadmm.after.export import export
from hpcadmm.after.onnx_graph import model
from hpcadmm.after.trained import Trained
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses.base import decide
from tests.helpers.trainings import JOBS, outputs, trained

Run = Callable[[str], Path]
EVERY = [*JOBS, "regression"]


def exported(run: Path, out: Path, force: bool = False) -> dict[str, Any]:
    return export(run, out, force, None, World.alone(), lambda line: None)


def features(network: Trained, count: int) -> np.ndarray:
    """Random features about as large as those of the training: (count, n_0)."""
    x = network.transform.inputs.undo(np.random.default_rng(count).standard_normal((network.features, count)))
    return np.ascontiguousarray(x.T, network.dtype)


def answers(whole: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """What onnxruntime makes of the features."""
    session = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, {"features": x}), strict=True))


@pytest.mark.parametrize("name", EVERY)
def test_onnx_gives_what_the_network_gives(run: Run, tmp_path: Path, name: str) -> None:
    network = trained(run(name))
    exported(run(name), tmp_path / "a.onnx")
    whole = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(whole, full_check=True)
    close = {"rtol": 1e-3, "atol": 1e-3} if network.dtype is np.float32 else {"rtol": 1e-9, "atol": 1e-9}
    for count in (1, 50):  # the batch axis is dynamic
        x = features(network, count)
        z, found = outputs(network, x), answers(whole, x)
        if not network.classes:
            assert network.transform.targets is not None
            np.testing.assert_allclose(found["values"], network.transform.targets.undo(z).T, **close)
            assert set(found) == {"values"}
            continue
        assert found["scores"].dtype == network.dtype
        np.testing.assert_allclose(found["scores"], z.T, **close)
        np.testing.assert_array_equal(found["class"], decide(found["scores"].T))
        assert found["class"].shape == (count,)
        assert (found["class"] == decide(z)).mean() > 0.97
        if name == "leaky":
            np.testing.assert_allclose(found["probabilities"], softmax(found["scores"], axis=1), rtol=1e-4)
        assert json.loads({p.key: p.value for p in whole.metadata_props}["classes"]) == network.names


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_activation_has_its_operator(run: Run, activation: str, dtype: str) -> None:
    network = trained(run("digits"))
    job = replace(network.job, head=replace(network.job.head, precision=dtype))
    weights = [None if w is None else w.astype(dtype, order="F") for w in network.weights]
    network = replace(
        network, job=job, weights=weights, network=replace(network.network, activation=ACTIVATIONS[activation]())
    )
    x = features(network, 30)
    np.testing.assert_allclose(answers(model(network), x)["scores"], outputs(network, x).T, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", EVERY)
def test_npz_holds_the_network(run: Run, tmp_path: Path, name: str) -> None:
    network = trained(run(name))
    said = exported(run(name), tmp_path / "a.npz")
    assert said["sizes"] == list(network.network.n)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as held:
        found = {key: held[key] for key in held}
    assert found["sizes"].tolist() == list(network.network.n)
    assert str(found["activation"]) == network.network.activation.name
    x = features(network, 20)
    a = ((x.T.astype(np.float64) - found["input_shift"][:, None]) / found["input_divisor"][:, None]).astype(x.dtype)
    slope = float(found.get("activation_slope", 0))
    for l in range(1, network.network.depth + 1):
        z = found[f"W{l}"] @ a + found.get(f"b{l}", np.zeros(1, x.dtype))[..., None]
        a = np.where(z > 0, z, slope * z)
    np.testing.assert_allclose(z, outputs(network, x), rtol=1e-4, atol=1e-5)
    assert found.get("classes", np.array([])).tolist() == network.names
    assert ("target_shift" in found) == (not network.classes)


def test_what_cannot_be_written(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.npz").write_text("mine")
    for out, why in (
        ("a.pt", "must end in .npz, .onnx"),
        ("mine.npz", "exists"),
        ("nowhere/a.onnx", "cannot write"),
    ):
        with pytest.raises(UsageError, match=why):
            exported(run("digits"), tmp_path / out)
    exported(run("digits"), tmp_path / "mine.npz", force=True)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"pip install 'hpcadmm\[onnx\]'"):
        exported(run("digits"), tmp_path / "a.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]
