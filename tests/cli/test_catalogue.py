"""What there is can be found at the shell: lists, keys with their meaning, and what a mistyped name is near to."""

import json
from dataclasses import fields

import pytest

from hpcadmm.datasets import DATASETS
from hpcadmm.errors import UsageError, nearby
from hpcadmm.job.job import parse
from hpcadmm.job.keys import keys, meaning
from hpcadmm.job.options import Evaluate, Head, Layers, Log, Save, Stop
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.penalties import PENALTIES
from hpcadmm.products import ENGINES
from hpcadmm.solvers import SOLVERS
from tests.helpers.made import LEAST, write

KINDS = {"solvers": SOLVERS, "losses": LOSSES, "activations": ACTIVATIONS, "penalties": PENALTIES, "datasets": DATASETS}
CLASSES = [cls for registry in KINDS.values() for cls in registry.values()]


@pytest.mark.parametrize("cls", [Head, Layers, Stop, Save, Evaluate, Log, *CLASSES], ids=lambda cls: cls.__name__)
def test_every_key_has_type_default_and_meaning_from_its_class(cls):
    found = keys(cls)
    assert [key.name for key in found] == [field.name for field in fields(cls)]
    assert [key for key in found if not (key.type and key.default and key.meaning)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_says_of_each_what_it_is_for(inside, kind):
    found = json.loads(inside(kind, "--json").check().stdout)
    assert [one["name"] for one in found] == list(KINDS[kind])
    assert all(one.get("use it for") or one.get("what") for one in found)
    said = inside(kind).check().stdout
    assert all(name in said for name in KINDS[kind])


def test_the_meaning_of_a_key_is_that_of_the_nearest_class_that_tells():
    assert meaning(SOLVERS["sgd"], "rate") == "learning rate. Default 0.1."
    assert meaning(SOLVERS["qgadmm"], "rho") == meaning(SOLVERS["gadmm"], "rho")
    assert meaning(DATASETS["csv"], "path").startswith("the train file")
    of = {key.name: key for key in keys(SOLVERS["mpadmm"])}
    assert (of["batch"].type, of["batch"].default) == ("whole number >= 0", "4000")
    assert (of["average"].type, of["eta"].default) == ("number >= 0, < 1", "none")
    assert of["sums"].type == '"exact", "plain", "bfloat16" or 8'


def test_a_solver_is_described_with_all_its_keys(inside):
    said = inside("solvers", "mpadmm").check().stdout
    assert "Keys of [solver]" in said
    assert SOLVERS["mpadmm"].when in said
    assert "relative to its mean diagonal" in said
    assert json.loads(inside("solvers", "adam", "--json").check().stdout)["keys"][0]["name"] == "rate"


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["trian"], "did you mean train?"),
        (["data", "inspekt"], "did you mean inspect?"),
        (["job", "neu"], "did you mean new?"),
        (["solvers", "mpadm"], "did you mean mpadmm?"),
        (["datasets", "MNIST"], "did you mean mnist?"),
        (["data", "inspect", "californa"], "did you mean california?"),
        (["data", "inspect", "tabel.csv"], "did you mean table.csv?"),
        (["data", "inspect", "table.csv", "--set", "target=pric"], "did you mean price?"),
        (["train", "smal.toml", "--print-job"], "did you mean small.toml?"),
        (["train", "small.toml", "--print-job", "--set", "solver.gama=1"], "did you mean gamma?"),
        (["train", "small.toml", "--print-job", "--set", "solvr.name=adam"], "did you mean solver?"),
        (["train", "small.toml", "--print-job", "--set", "loss.name=crossentropy"], "did you mean cross-entropy?"),
        (["train", "small.toml", "--print-job", "--set", "precision=floot64"], "did you mean float64?"),
        (["train", "small.toml", "--print-job", "--set", "iterations=5"], "did you mean stop.iterations?"),
        (
            ["train", "small.toml", "--print-job", "--set", "solver.every=5"],
            "did you mean save.every or evaluate.every?",
        ),
        (["show", "smal"], "did you mean small"),
        (["compare", "small.toml", "--solvers", "taylor,adm"], "did you mean adam?"),
    ],
)
def test_a_mistyped_name_is_answered_by_the_one_it_is_near_to(inside, tmp_path, arguments, near):
    write(tmp_path)
    (tmp_path / "small").mkdir()
    (tmp_path / "table.csv").write_text("size,price\n1,10.5\n2,20.25\n3,31.5\n")
    done = inside(*arguments)
    assert done.returncode == 2
    assert near in done.stderr
    assert done.stderr.count("did you mean") == 1


def test_nothing_near_is_not_asked_for(tmp_path):
    (tmp_path / "a.csv").touch()
    assert nearby(tmp_path / "a.csv") == nearby(tmp_path / "zzzzzz") == nearby(tmp_path / "no/a.csv") == ""
    with pytest.raises(UsageError) as refused:
        parse(LEAST, ["solver.name=zzzzzz"])
    assert "did you mean" not in str(refused.value)


def test_completion_of_the_shell(spawn):
    script = spawn(0, "-m", "hpcadmm", env={"_HPCADMM_COMPLETE": "bash_source"}).check().stdout
    assert "_HPCADMM_COMPLETE=bash_complete" in script
    asked = {"_HPCADMM_COMPLETE": "bash_complete", "COMP_WORDS": "hpcadmm solvers ta", "COMP_CWORD": "2"}
    assert spawn(0, "-m", "hpcadmm", env=asked).check().stdout.split() == ["plain,taylor"]


def test_engines_are_the_values_of_precision(inside, monkeypatch):
    found = json.loads(inside("engines", "--json").check().stdout)
    assert [one["name"] for one in found] == list(ENGINES)
    assert all(one["use it for"] for one in found)
    assert 'A job chooses it by: precision = "float32"' in inside("engines", "float32").check().stdout
    assert "did you mean float64?" in inside("engines", "floot64").stderr
    monkeypatch.setitem(ENGINES._classes, "bfloat16", "hpcadmm.nowhere:Bf16")
    assert "pip install 'hpcadmm[bf16]'" in inside("engines", "bfloat16").stderr
    assert "pip install 'hpcadmm[bf16]'" in json.loads(inside("engines", "--json").check().stdout)[2]["use it for"]
