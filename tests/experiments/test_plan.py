"""Names of runs, seeds, and what a folder of an earlier call may hold."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.errors import UsageError
from hpcadmm.experiments.folder import Folder, claim, default
from hpcadmm.experiments.plan import LONGEST, data, described, difference, repeated, slug, variant
from tests.helpers.made import DLADMM, TAYLOR, job, planned, write

FACTS = {"kind": "compare", "ranks": 2, "jobs": ["small"]}


def test_all_jobs_with_one_seed_and_then_all_with_the_next(tmp_path):
    paths = [write(tmp_path, f"seed = {7 * k}\n{TAYLOR}", name) for k, name in enumerate("ab")]
    plan = repeated(paths, ["solver.gamma=3.0"], 3)
    assert [one.name for one in plan] == ["a-0", "b-0", "a-1", "b-1", "a-2", "b-2"]
    assert [one.job.head.seed for one in plan] == [0, 7, 1, 8, 2, 9]
    assert {one.job.solver.gamma for one in plan} == {3.0}


@given(st.text(max_size=200))
def test_a_slug_is_a_harmless_name_of_a_file(name):
    found = slug(name)
    assert 0 < len(found) <= LONGEST
    assert not set(found) & set("/\\\0\n |")
    assert found[0] not in ".-"
    assert Path("runs", found).parent == Path("runs")
    assert len(f"{found}-999.json".encode()) < 255


def test_jobs_whose_folders_would_have_the_same_name_are_refused(tmp_path):
    paths = [write(tmp_path, name=name, file=file) for name, file in (("x/y", "a"), ("X y", "b"), ("z", "c"))]
    with pytest.raises(UsageError, match=r"a.toml and .*b.toml have the same name, x-y"):
        repeated(paths, [], 1)
    assert len(repeated(paths[1:], [], 1)) == 2


@pytest.mark.parametrize(
    ("text", "overrides", "why"),
    [
        ("name = ", [], r"bad.toml: the job file is not TOML"),
        (TAYLOR, ["solver.gamma=-1"], r"bad.toml: the job file:\n  solver.gamma = -1: must be greater than 0"),
        (TAYLOR, ["solver.eta=1"], r"bad.toml: the job file:\n  solver.eta: unknown key"),
        (TAYLOR, ["solver"], "write --set table.key=value"),
    ],
)
def test_a_bad_job_is_refused_with_its_name(tmp_path, text, overrides, why):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(UsageError, match=why):
        repeated([tmp_path / "bad.toml"], overrides, 1)
    with pytest.raises(UsageError, match=r"cannot read the job file .*none.toml"):
        repeated([tmp_path / "none.toml"], [], 1)


def test_the_cells_that_tell_what_was_run():
    found = described(job(TAYLOR.replace("first_test = 100", 'path = "/a/b/c.h5"\nclasses = [1, 2]')))
    assert found["data"] == "digits path=c.h5 classes=[1, 2] first=300"
    assert (found["solver"], found["network"], found["loss"]) == ("taylor", "12 relu", "hinge")
    assert described(job(TAYLOR.replace("[12]", "[]")))["network"] == "linear"
    assert data(job(TAYLOR.replace("first = 300\nfirst_test = 100\n", ""))) == "digits"


def test_a_folder_is_taken_again_for_the_same_jobs_and_more_seeds(tmp_path):
    claim(tmp_path / "out", FACTS, [planned()]).close()
    before = (tmp_path / "out/jobs/small-0.toml").stat().st_mtime_ns
    claim(tmp_path / "out", FACTS, [planned(), planned(k=1)]).close()
    assert sorted(path.name for path in (tmp_path / "out/jobs").iterdir()) == ["small-0.toml", "small-1.toml"]
    assert (tmp_path / "out/jobs/small-0.toml").stat().st_mtime_ns == before
    assert json.loads((tmp_path / "out/plan.json").read_text()) == FACTS


def test_a_folder_is_taken_again_for_more_jobs_and_not_for_fewer(tmp_path):
    other, both = planned("other"), ["other", "small"]
    claim(tmp_path / "out", FACTS, [planned()]).close()
    claim(tmp_path / "out", FACTS | {"jobs": both}, [planned(), other]).close()
    assert json.loads((tmp_path / "out/plan.json").read_text())["jobs"] == both
    assert (tmp_path / "out/jobs" / f"{other.name}.toml").exists()
    with pytest.raises(UsageError, match=r"jobs is \['other', 'small'\] there and \['small'\] here"):
        claim(tmp_path / "out", FACTS, [planned()])


def test_a_folder_of_a_version_without_some_keys_is_taken_again(tmp_path):
    claim(tmp_path / "out", FACTS, [planned()]).close()
    file = tmp_path / "out/jobs/small-0.toml"
    file.write_text("".join(line for line in file.open() if not line.startswith("metrics")))
    claim(tmp_path / "out", FACTS, [planned()]).close()


def test_a_folder_of_other_things_is_refused(tmp_path):
    out = tmp_path / "out"
    claim(out, FACTS, [planned()]).close()
    other = planned(text=TAYLOR.replace("[12]", "[13]"))
    for facts, plan, why in (
        (FACTS, [other], r"small-0: network.hidden is \[12\] there and \[13\] here; ask for the same, or choose"),
        (FACTS | {"ranks": 3}, [planned()], "ranks is 2 there and 3 here"),
        (FACTS | {"jobs": ["b"]}, [planned()], r"jobs is \['small'\] there and \['b'\] here"),
        (FACTS | {"kind": "tune"}, [planned()], "kind is compare there and tune here"),
        (FACTS | {"vary": ["x"]}, [planned()], r"vary is unset there and \['x'\] here"),
    ):
        with pytest.raises(UsageError, match=why):
            claim(out, facts, plan)
    (out / "plan.json").write_text("[")
    with pytest.raises(UsageError, match=r"plan.json is damaged"):
        claim(out, FACTS, [planned()])
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").touch()
    with pytest.raises(UsageError, match=r"is not empty \(it holds a.png\)"):
        claim(tmp_path / "photos", FACTS, [planned()])
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.png"]
    with pytest.raises(UsageError, match="cannot make the folder"):
        claim(tmp_path / "photos/a.png/x", FACTS, [planned()])


def test_two_at_once_are_refused(tmp_path):
    lock = claim(tmp_path, FACTS, [planned()])
    with pytest.raises(UsageError, match="in use by process"):
        claim(tmp_path, FACTS, [planned()])
    lock.close()
    claim(tmp_path, FACTS, [planned()]).close()


def test_the_first_difference_of_two_jobs():
    texts = [job(text).to_toml() for text in (TAYLOR, DLADMM)]
    assert difference(texts[0], texts[0]) == ""
    assert difference(texts[0], texts[1]) == "loss.name is hinge there and cross-entropy here"
    assert difference("a = 1", "a = 1\n[b]\nc = 2") == "b.c is unset there and 2 here"


def test_the_default_folder_is_new(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = default("compare")
    first.mkdir(parents=True)
    assert first.parent == Path("results/compare")
    assert not default("compare").exists()
    assert Folder(first).run("a-0") == first / "runs" / "a-0"


def test_one_file_with_several_settings(tmp_path):
    path = write(tmp_path)
    plan = repeated([path, f"{path}:name=low:solver.gamma=2.5:network.hidden=[3, 4]"], ["solver.gamma=3.0"], 1)
    assert [one.name for one in plan] == ["small-0", "low-0"]
    assert [(one.job.solver.gamma, one.job.layers.hidden) for one in plan] == [(3.0, [12]), (2.5, [3, 4])]
    with pytest.raises(UsageError, match=r"have the same name, small: .*FILE:name=NAME"):
        repeated([path, f"{path}:solver.gamma=2.5"], [], 1)


def test_a_file_may_be_called_like_a_file_with_overrides(tmp_path):
    odd = tmp_path / "a:b=c.toml"
    odd.write_text(TAYLOR.format(name="odd"))
    assert variant(odd) == (odd, [])
    assert variant("a:1.toml:b.c=d:e") == (Path("a:1.toml"), ["b.c=d:e"])
