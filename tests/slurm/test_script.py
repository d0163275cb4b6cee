"""Scripts run here, with programs in place of Slurm's: what they start gets exactly the words that were meant."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hpcadmm.errors import UsageError
from hpcadmm.slurm.request import SIGNALS, Request
from hpcadmm.slurm.script import Training, script, training

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="no bash")

# What is in place of hpcadmm tells its words apart by NUL; that of srun drops its own options, mpirun's `-n N`.
HPCADMM = """\
if [ "$1 $2" = "slurm next" ]; then
    printf '%s\\0' "$@" > next
    echo "${TURN-train}"
    exit "${NEXT-0}"
fi
printf '%s\\0' "$@" >> words
exit "${CODE-0}"
"""
SRUN = 'while [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n'
MPIRUN = 'shift 2\nexec "$@"\n'
SCONTROL = 'printf "%s " "$@" >> asked\necho "JobId=7 JobState=${STATE-RUNNING} Reason=None"\n'
MODULE = 'printf "%s\\0" "$@" >> loaded\n'
APPTAINER = """\
shift
while [ "$1" = --bind ]; do printf "%s\\0" "$2" >> bound; shift 2; done
printf "%s\\0" "$1" >> bound
shift
exec "$@"
"""
PROGRAMS = {"hpcadmm": HPCADMM, "srun": SRUN, "mpirun": MPIRUN, "scontrol": SCONTROL, "module": MODULE}
PROGRAMS |= {"apptainer": APPTAINER}

words = st.text(st.sampled_from("a-='\"$(){}`\\;&|<>#*?[]!~% \u00e9"), min_size=1, max_size=12)


def bash(folder, text, **variables):
    """Run a script there; returns its exit code and the words that hpcadmm got."""
    (folder / "bin").mkdir(exist_ok=True)
    for name, body in PROGRAMS.items():
        file = folder / "bin" / name
        file.write_text(f"#!{BASH}\n{body}")
        file.chmod(0o755)
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)
    (folder / "script").write_text(text)
    env = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", **variables}
    words = ["/usr/bin/env", "--default-signal", BASH, "script"]  # a shell cannot trap what its parent ignores
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=20)
    (folder / "said").write_text(done.stderr)
    assert sorted(os.listdir(folder)) == sorted({"bin", "script"} | {n for n in os.listdir(folder) if n in NAMES})
    return done.returncode, split(folder / "words")


NAMES = ("words", "next", "asked", "said", "bound", "loaded")


def split(file):
    return file.read_text().split("\0")[:-1] if file.exists() else None


FUZZ = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@example("$(touch pwned)", "`touch pwned`", "x'; touch pwned; '", "srun")
@given(words, words, words, st.sampled_from(["srun", "mpirun"]))
def test_hostile_words_arrive_as_they_are(tmp_path, job, run, setting, launcher):
    where = Path("/jobs", f"j{job}".replace("/", "")), Path("/runs", f"r{run}".replace("/", ""))
    text = training(Training(*where, [setting, "a.b=1"], ["a.b=1"]), Request(launcher=launcher), ["hpcadmm"])
    code, got = bash(tmp_path, text)
    assert code == 0
    assert got == ["train", str(where[0]), "--out", str(where[1]), "--set", setting, "--set", "a.b=1"]
    assert split(tmp_path / "next") == ["slurm", "next", str(where[1]), "--set", "a.b=1"]
    assert bash(tmp_path, text, TURN="resume")[1] == ["resume", str(where[1]), "--set", "a.b=1"]


@FUZZ
@given(st.lists(words, min_size=1, max_size=4))
def test_commands_arrive_as_they_are(tmp_path, command):
    code, got = bash(tmp_path, script([command, ["b"]], Request(), ["hpcadmm", "x"]))
    assert (code, got) == (0, ["x", *command, "x", "b"])


@settings(FUZZ, max_examples=8)
@given(words, words)
def test_a_container_gets_its_image_and_the_folders_that_the_job_needs(tmp_path, image, data):
    image, data = (Path("/far", f"x{word}".replace("/", "")) for word in (image, data))
    run = Training(Path("/jobs/job.toml"), Path("/runs/r"), data=[data])
    code, got = bash(tmp_path, training(run, Request(container=image)), HPCADMM_DATA="/public data")
    assert (code, got) == (0, ["train", "/jobs/job.toml", "--out", "/runs/r"])
    assert split(tmp_path / "bound") == [f"/jobs,/runs,{data}", "/public data", str(image)] * 2  # `slurm next`, too
    with pytest.raises(UsageError, match="no path with a comma or a colon"):
        training(Training(Path("/a:b/job.toml"), Path("/r")), Request(container=image))


def test_modules_are_loaded_after_the_setup_and_give_the_program(tmp_path):
    text = training(PLAIN, Request(setup=["module use /site"], modules=["mpich", "hpcadmm/0.6.0"]))
    assert bash(tmp_path, text) == (0, ["train", "/job.toml", "--out", "/run"])
    assert split(tmp_path / "loaded") == ["use", "/site", "load", "mpich", "load", "hpcadmm/0.6.0"]


@pytest.mark.parametrize("bad", ["a\nb", "a\x1bb", "a\u2028b"])
def test_words_with_control_characters_are_refused(bad):
    for run in (Training(Path("a"), Path("b"), [bad]), Training(Path(bad), Path("b")), Training(Path("a"), Path(bad))):
        with pytest.raises(UsageError):
            training(run, Request())


def test_paths_that_look_like_options_are_refused():
    with pytest.raises(UsageError, match="dash"):
        training(Training(Path("job.toml"), Path("-x")), Request())


PLAIN = Training(Path("/job.toml"), Path("/run"))


@pytest.mark.parametrize(
    ("code", "state", "asked"),
    [
        (0, "RUNNING", False),
        (1, "RUNNING", False),
        (2, "RUNNING", False),
        (75, "RUNNING", True),
        (138, "RUNNING", True),
        (152, "RUNNING", True),
        (75, "COMPLETING", False),  # cancelled, or preempted: then Slurm has queued it again
        (75, "PENDING", False),
    ],
)
def test_only_what_was_interrupted_and_still_runs_is_queued_again(tmp_path, code, state, asked):
    for text in (training(PLAIN, Request(), ["hpcadmm"]), script([["bench"], ["doctor"]], Request(), ["hpcadmm"])):
        got = bash(tmp_path, text, CODE=str(code), STATE=state)
        assert got[0] == code
        said = (tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else ""
        assert ("requeue 7" in said) == asked
        assert code == 0 or "doctor" not in got[1]  # a failure ends the script


def test_a_task_of_an_array_queues_only_itself_again(tmp_path):
    text = training(PLAIN, Request(array="0-4"), ["hpcadmm"])
    task = {"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "3"}
    _, got = bash(tmp_path, text, CODE="75", **task)
    assert got == ["train", "/job.toml", "--out", "/run-3", "--set", "seed=3"]
    assert "requeue 5_3 " in (tmp_path / "asked").read_text()
    own = training(Training(Path("/job.toml"), Path("/run"), ["seed=8"]), Request(array="0-4"), ["hpcadmm"])
    assert bash(tmp_path, own, **task)[1][-1] == "seed=8"


@pytest.mark.parametrize(("turn", "next_", "code"), [("finished", "0", 0), ("", "2", 2)])
def test_what_is_finished_or_makes_no_progress_starts_nothing(tmp_path, turn, next_, code):
    assert bash(tmp_path, training(PLAIN, Request(), ["hpcadmm"]), TURN=turn, NEXT=next_) == (code, None)


@pytest.mark.parametrize(
    ("code", "launcher", "told"), [(16, "srun", 1), (2, "srun", 0), (0, "srun", 0), (16, "mpirun", 0)]
)
def test_ranks_that_do_not_start_are_told_of_the_plugin(tmp_path, code, launcher, told):
    nowhere = Training(Path("/job.toml"), tmp_path / "nowhere")
    bash(tmp_path, training(nowhere, Request(launcher=launcher), ["hpcadmm"]), CODE=str(code))
    assert (tmp_path / "said").read_text().count("Does --mpi match") == told


def test_a_setup_that_fails_starts_nothing(tmp_path):
    assert bash(tmp_path, training(PLAIN, Request(setup=["false"]), ["hpcadmm"])) == (1, None)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_to_the_script_reaches_what_it_started(tmp_path, name):
    text = script([["train"], ["later"]], Request(), ["bash", "-c", PATIENT, "x"])
    code, _ = bash(tmp_path, text, SIGNAL=name)
    assert code == 75
    assert (tmp_path / "words").read_text() == "told\n"


# Tells the script's shell of the signal, and waits for its own.
PATIENT = """\
trap 'echo told >> words; exit 75' USR1
kill -"$SIGNAL" "$PPID"
for k in $(seq 100); do sleep 0.05; done
"""


def test_options_stand_in_the_head():
    asked = Request(name="n", nodes=2, ntasks=4, ntasks_per_node=2, cpus_per_task=3, time="1:00:00", partition="p",
                    account="a", qos="q", constraint="[a|b]", mem="4G", array="0-4%2", mpi="pmi2", signal="SIGUSR2@90",
                    output=Path("/x y/100%.out"))  # fmt: skip
    text = training(PLAIN, asked)
    head = [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH ")]
    assert set(head) == {
        "--job-name=n", "--nodes=2", "--ntasks=4", "--ntasks-per-node=2", "--cpus-per-task=3", "--time=1:00:00",
        "--partition=p", "--account=a", "--qos=q", "--constraint=[a|b]", "--mem=4G", "--array=0-4%2",
        "--requeue", "--open-mode=append", '--output="/x y/100%%-%a.out"', "--signal=USR2@90",
    }  # fmt: skip
    assert "start=(srun --cpus-per-task=3 --mpi=pmi2)" in text
    assert "#SBATCH --signal=B:USR1@120" in training(PLAIN, Request(launcher="mpirun"))
    assert "#SBATCH --signal=B:USR1@120" in script([["doctor"]], Request())


def test_the_template_is_what_is_written():
    asked = Request(name="my-job", nodes=2, ntasks_per_node=4, time="01:00:00", partition="main", account="project",
                    setup=["module load python openmpi"], mpi="pmix", output=Path("run.out"))  # fmt: skip
    text = training(Training(Path("job.toml"), Path("run")), asked, ["hpcadmm"])
    assert (ROOT / "slurm" / "template.sbatch").read_text() == text
