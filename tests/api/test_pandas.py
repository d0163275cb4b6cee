"""Data frames of pandas, in and out; they are optional."""

import numpy as np
import pytest

import hpcadmm

pd = pytest.importorskip("pandas", reason="pandas is not installed; no extra needs it")
random = np.random.default_rng(8)
SIZE = random.normal(50, 20, 120)
COLOUR = random.choice(["red", "green", "blue"], 120)
JOB = {"network": {"hidden": [6]}, "solver": {"name": "mpadmm"}, "stop": {"iterations": 20}}


def frame():
    size, colour = pd.Series(SIZE).mask(random.random(120) < 0.1), pd.Series(COLOUR).mask(random.random(120) < 0.1)
    return pd.DataFrame({"size": size, "colour": colour.astype("category"), "new": random.random(120) < 0.5})


def test_metrics_are_a_frame(tmp_path):
    job = JOB | {"loss": {"name": "squared"}, "data": {"name": "frame", "split": 0.8}}
    hpcadmm.train(job, frame(), SIZE, out=tmp_path / "run")
    found = pd.DataFrame(hpcadmm.load(tmp_path / "run").metrics)
    assert found["iteration"].tolist() == list(range(1, 21))
    assert all(map(pd.api.types.is_numeric_dtype, found.dtypes))


@pytest.mark.parametrize(("loss", "y"), [("squared", SIZE), ("cross-entropy", COLOUR == "red")])
def test_a_frame_with_categories_and_missing_values_is_trained_on(loss, y):
    X = frame()
    model = hpcadmm.train(JOB | {"loss": {"name": loss}}, X, pd.Series(y, name="target", index=X.index))
    names = [name for name in model.trained.columns.names if name.startswith("colour")]
    assert len(names) >= 3, "a feature for each colour"
    np.testing.assert_array_equal(model.predict(X[["new", "colour", "size"]]), model.predict(X))
    assert len(model.predict(X.iloc[:7])) == 7
    assert np.isfinite(model.outputs(X)).all()
