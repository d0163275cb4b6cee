"""Values on the command line are what their key takes, whatever they look like; job files say how text is written."""

import pytest
import tomli_w

from hpcadmm.datasets.base import Dataset
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.job.typed import Raw, settled
from hpcadmm.solvers import SOLVERS

CSV = '[data]\nname = "csv"\npath = "a.csv"\n[loss]\nname = "hinge"\n[solver]\nname = "taylor"\n'
TEXTS = ["2024-01-01", "12:30:00", "2024-01-01T00:00:00Z", "5", "1e3", "0x10", "true", "inf", "[1, 2]", "[a", "{x = 1",
         "a'b", 'a"b', "a = b", "ü", "a#b", "-1", "007", "1_000", "\\n", "C:\\new\\table"]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("key", ["name", "data.path", "data.train", "data.test"])
def test_text_stays_text_whatever_it_looks_like(key, text):
    found = parse(CSV, [f"{key}={text}"]).resolved()
    table, _, name = key.rpartition(".")
    assert (found[table] if table else found)[name] == text


@pytest.mark.parametrize(
    ("typed", "delimiter"),
    [("\\t", "\t"), ("\t", "\t"), ('"\\t"', "\t"), ("'\\t'", "\t"), ("' '", " "), (" ", " "), (";", ";"), ("tab", "\t"),
     ("','", ","), ("#", "#")],
)  # fmt: skip
def test_a_tab_can_be_typed_as_shells_have_it(typed, delimiter):
    assert parse(CSV, [f"data.delimiter={typed}"]).data.delimiter == delimiter


@pytest.mark.parametrize(
    ("typed", "target"),
    [("3", 3), ("-1", -1), ('"3"', "3"), ("species", "species"), ("12:30:00", "12:30:00"), ("true", "true"),
     ("1.5", "1.5"), ("2024-01-01", "2024-01-01"), ("'a b'", "a b")],
)  # fmt: skip
def test_a_column_is_a_number_or_a_name(typed, target):
    found = parse(CSV, [f"data.target={typed}"]).data.target
    assert (found, type(found)) == (target, type(target))


@pytest.mark.parametrize(("typed", "wire"), [("8", 8), ("float32", "float32"), ('"float16"', "float16")])
def test_a_wire_is_bits_or_a_name(typed, wire):
    assert settled(SOLVERS["pdadmm"], "wire", Raw(typed)) == wire


@pytest.mark.parametrize(
    ("typed", "value"), [(".5", 0.5), ("1.", 1.0), ("+2", 2), ("5E-1", 0.5), (" 3 ", 3), ("1_0", 10), ("01", 1)]
)
def test_a_number_may_be_written_as_elsewhere(typed, value):
    assert parse(CSV, [f"solver.gamma={typed}"]).solver.gamma == value


def test_lists_tables_and_quoted_names():
    job = parse(CSV, ["network.hidden=[5,3]", "data.classes=[ 1, 2 ]", 'solver={name = "taylor", gamma = 2}',
                      'loss.name="squared"'])  # fmt: skip
    assert (job.layers.hidden, job.data.classes, job.solver.gamma, job.loss.name) == ([5, 3], [1, 2], 2, "squared")


def test_what_is_typed_and_what_is_quoted_is_the_same_job():
    typed = parse(CSV, ["data.path=a b", "solver.gamma=3", "data.target=x", "precision=float32"])
    assert typed == parse(CSV, ['data.path="a b"', "solver.gamma=3.0", "data.target='x'", 'precision="float32"'])


@pytest.mark.parametrize("value", ["2024-01-01", "12:30:00", "2024-01-01 10:00:00"])
def test_a_date_in_a_file_is_refused_with_the_quotes_that_it_needs(value):
    with pytest.raises(UsageError) as caught:
        parse(CSV.replace('"a.csv"', value))
    assert f'data.path = {value}: must be text in quotes, "{value}", not a date or a time' in str(caught.value)


def test_a_date_where_no_text_belongs_is_refused():
    with pytest.raises(UsageError, match=r"stop.minutes = 2024-01-01: must not hold a date"):
        parse(CSV + "[stop]\nminutes = 2024-01-01\n")


@pytest.mark.parametrize("value", ["0x" + "f" * 5000, "[" * 500 + "]" * 500])
def test_what_no_key_can_hold_is_refused(value):
    for text, overrides in ((f"seed = {value}\n" + CSV, ()), (CSV, [f"seed={value}"])):
        with pytest.raises(UsageError):
            parse(text, overrides)


def test_bytes_that_are_no_text_are_named():
    with pytest.raises(UsageError, match="is not UTF-8"):
        parse(CSV, ["data.path=a\udcff"])


def test_a_value_of_a_file_is_never_reinterpreted():
    assert settled(Dataset, "path", 5) == 5
    with pytest.raises(UsageError, match="must be text in quotes"):
        parse(CSV.replace('"a.csv"', "5"))


def test_none_takes_an_optional_key_back_and_stays_a_word_where_it_is_one():
    job = parse(CSV, ["stop.patience=5", "data.validation=0.2"])
    assert (job.stop.patience, job.data.validation) == (5, 0.2)
    given = ["stop.patience=none", "data.validation=none", "data.scale=none"]
    again = parse(tomli_w.dumps(job.resolved()), given)
    assert (again.stop.patience, again.data.validation, again.data.scale) == (None, None, "none")
    assert parse(tomli_w.dumps(again.resolved())) == again
    with pytest.raises(UsageError, match=r'stop.iterations = "none": must be a whole number'):
        parse(CSV, ["stop.iterations=none"])
