"""Every value that could do more in a script than stand there is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.errors import UsageError
from hpcadmm.slurm.request import COUNTS, PATTERNS, Request, seconds

HOSTILE = ["", " ", "-x", "--wrap=x", "a b", "a\nb", "a\n#SBATCH --uid=0", "$(x)", "`x`", "a;b", "a'b", 'a"b', "a\\b"]
HOSTILE += ["a\rb", "a\x00b", "a\u2028b", "\u0661", "a#b", "a>b", "a=b", "a/b"]  # the last but six is a digit elsewhere

GOOD = {
    "name": ["a", "mnist-taylor", "run_2.b", "x" * 200],
    "partition": ["main", "a,b"],
    "account": ["p-12_3"],
    "qos": ["high", "a+b"],
    "constraint": ["avx512", "[rack1|rack2]", "a&b", "(a|b)&c", "rack*2"],
    "time": ["5", "90:30", "01:00:00", "1-0", "2-12:30", "1-00:00:01"],
    "mem": ["16G", "4000", "512M"],
    "array": ["0", "0-4", "1,3,9", "0-10:2", "0-99%8", "1-2,7-9:2%3"],
    "mpi": ["pmi2", "pmix_v4"],
    "signal": ["1", "90", "TERM@60", "SIGUSR2@9", "usr1@65535"],
}


@pytest.mark.parametrize("key", PATTERNS)
def test_hostile_values_are_refused_and_named(key):
    for value in [*HOSTILE, *(good + end for good in GOOD[key] for end in ("\n", "$(x)", "'", " "))]:
        with pytest.raises(UsageError) as refused:
            Request(**{"signal": "1", key: value})
        assert str(refused.value).startswith(f"--{key} {value!r}: write ")


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in GOOD for value in GOOD[key]])
def test_what_slurm_takes_is_taken(key, value):
    assert getattr(Request(**{"signal": "1", key: value}), key) == value


@pytest.mark.parametrize("key", COUNTS)
@pytest.mark.parametrize("value", [0, -1, True, "4", "4 --uid=0", 1.5, 10**12])
def test_counts_are_whole_numbers(key, value):
    with pytest.raises(UsageError, match=f"--{key.replace('_', '-')} "):
        Request(**{key: value})


@pytest.mark.parametrize(
    "line",
    ["module load openmpi/5.0.3", "source env/bin/activate", 'export A="b c"', "export A=$HOME/lib:${LD_LIBRARY_PATH}"],
)
def test_setup_is_a_simple_command(line):
    assert Request(setup=[line]).setup == [line]


HARM = [
    "",
    "  ",
    "a\nb",
    "a; b",
    "a | b",
    "a & b",
    "a < b",
    "a > b",
    "$(a)",
    "`a`",
    "a ${b:-$(c)}",
    'a "b',
    "a 'b",
    "a\\",
]
HARM += ["if a", "for", "exit 0", "eval x", "-x", "a # b", "a\r", 5, "\"'\" '\"'"]


@pytest.mark.parametrize("line", HARM)
def test_setup_that_is_more_is_refused(line):
    with pytest.raises(UsageError, match="--setup"):
        Request(setup=["module load a", line])


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(UsageError) as refused:
        Request(name="-x", nodes=0, mem="4X", launcher="sh", setup=["a;b"])
    for word in ("--name", "--nodes", "--mem", "--launcher", "--setup"):
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"nodes": 4, "ntasks": 2}, "2 nodes would have no rank"),
        ({"nodes": 2, "ntasks": 9, "ntasks_per_node": 4}, "hold only 8"),
        ({"time": "2", "signal": "120"}, "below the time limit, 120 s"),
        ({"time": "2", "signal": "TERM@121"}, "below the time limit, 120 s"),
        ({"signal": "65536"}, "at most 65535"),
        ({"signal": "KILL@60"}, "NAME of HUP, INT, USR1"),
        ({"signal": "B:USR1@60"}, "SECONDS or NAME@SECONDS"),
        ({"signal": "0"}, "SECONDS or NAME@SECONDS"),
        ({"launcher": "mpirun", "mpi": "pmi2"}, "only srun has this option"),
        ({"output": Path('a"b')}, "no quotes"),
        ({"output": Path("a\nb")}, "no quotes"),
    ],
)
def test_values_at_odds(asked, word):
    with pytest.raises(UsageError, match=word):
        Request(**asked)


@pytest.mark.parametrize("name", ["", "-r", "a b", "a;b", "$(x)", "a\nb", "`x`", "a'", 5])
def test_a_module_is_a_name(name):
    with pytest.raises(UsageError, match="--module"):
        Request(modules=["mpich/4.3.1", name])
    assert Request(modules=["py-hpcadmm/0.6.0-gcc-13"]).modules


@pytest.mark.parametrize(
    ("asked", "ranks"),
    [
        ({}, 1),
        ({"nodes": 3}, 3),
        ({"ntasks_per_node": 4}, 4),
        ({"nodes": 2, "ntasks_per_node": 4}, 8),
        ({"ntasks": 5}, 5),
    ],
)
def test_ranks(asked, ranks):
    assert Request(**asked).ranks == ranks


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_time_limits_are_read_as_slurm_reads_them(d, h, m, s):
    total = ((d * 24 + h) * 60 + m) * 60 + s
    assert seconds(f"{d}-{h}:{m:02}:{s:02}") == total
    assert seconds(f"{d * 24 + h}:{m:02}:{s:02}") == total
    assert seconds(f"{d}-{h}") == (d * 24 + h) * 3600
    assert seconds(f"{m}:{s:02}") == m * 60 + s
    assert seconds(f"{m}") == m * 60
