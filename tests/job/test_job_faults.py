"""Job files with faults: all of them are listed at once, by name, with the value and what is allowed."""

from dataclasses import fields

import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Evaluate, Save, Stop, parse, read
from hpcadmm.model.activations import ACTIVATIONS, LeakyRelu
from hpcadmm.model.losses import LOSSES
from hpcadmm.solvers import SOLVERS, Taylor
from tests.helpers.made import LEAST


def refused(*overrides, text=LEAST):
    with pytest.raises(UsageError) as caught:
        parse(text, overrides)
    return str(caught.value)


@pytest.mark.parametrize("override", ["", "iterations", "=3", "stop.=3", ".x=3", ".=", "stop.iterations"])
def test_an_override_that_is_none_is_refused_with_an_example(override):
    message = refused(override)
    assert f"--set {override}:" in message
    assert "--set stop.iterations=50" in message


def test_an_override_in_an_unknown_table_names_the_table():
    assert "a: unknown key" in refused("a.b.c=1")


def test_an_override_of_a_value_as_if_it_were_a_table():
    assert refused("seed.x=1", text="seed = 3\n" + LEAST) == "--set seed.x=1: seed is a value, not a table"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("stop.iterations=0", "stop.iterations = 0: must be greater than or equal to 1"),
        ("stop.iterations=true", "stop.iterations = true: must be a whole number"),
        ("stop.iterations=2.0", "stop.iterations = 2.0: must be a whole number"),
        ('stop.iterations="9"', 'stop.iterations = "9": must be a whole number'),
        ("stop.iterations=", 'stop.iterations = "": must be a whole number'),
        ("stop.iterations=1\nseed=2", 'stop.iterations = "1\\nseed=2": must be a whole number'),
        ("stop.accuracy=1.5", "stop.accuracy = 1.5: must be less than or equal to 1"),
        ("stop.accuracy=0", "stop.accuracy = 0: must be greater than 0"),
        ("stop.accuracy=[0.5]", "stop.accuracy = [0.5]: must be a number"),
        ("stop.minutes=-1", "stop.minutes = -1: must be greater than 0"),
        ("stop.minutes=true", "stop.minutes = true: must be a number"),
        ("stop.minutes=1979-05-27", 'stop.minutes = "1979-05-27": must be a number'),
        ("data.shuffle=True", 'data.shuffle = "True": must be true or false'),
        (
            "data.classes=3,5",
            'data.classes = "3,5": must be a list; a list is written [1, 2], on a command line in quotes',
        ),
        (
            "network.hidden=[5,",
            'network.hidden = "[5,": must be a list; a list is written [1, 2], on a command line in quotes',
        ),
        ("seed=-1", "seed = -1: must be greater than or equal to 0"),
        ("threads=0", "threads = 0: must be greater than or equal to 1"),
        ("tile=1000", "tile = 1000: must be 0, 64, 128, 256, 512, 1024, 2048, 4096 or 8192"),
        ("precision=float16", "precision = 'float16': did you mean bfloat16? known are float64, float32, bfloat16"),
        ("network.hidden=5", "network.hidden = 5: must be a list"),
        ("network.hidden=[5, 0]", "network.hidden = [5, 0]: entry 2, 0, must be greater than or equal to 1"),
        ("network.hidden=[5.5]", "network.hidden = [5.5]: entry 1, 5.5, must be a whole number"),
        ("network.hidden=[true]", "network.hidden = [true]: entry 1, true, must be a whole number"),
        ("network.bias=1", "network.bias = 1: must be true or false"),
        ("solver.beta=0", "solver.beta = 0: must be greater than 0"),
        ("solver.beta=nan", "solver.beta = NaN: must be less than inf"),
        ("solver.beta=inf", "solver.beta = Infinity: must be less than inf"),
        ("solver.beta=x", 'solver.beta = "x": must be a number or a list'),
        ("solver.beta=[1, -2]", "solver.beta = [1, -2]: entry 2, -2, must be greater than 0"),
        ("solver.beta=[1, 2]", "solver.beta = [1.0, 2.0]: must be one number, or a list of 1 for this network"),
        ("solver.ridge=-0.1", "solver.ridge = -0.1: must be greater than or equal to 0"),
        ("solver.init=zero", "solver.init = \"zero\": must be 'forward' or 'gaussian'"),
        ("save.keep=0", "save.keep = 0: must be greater than or equal to 1"),
        ("save.state=all", "save.state = \"all\": must be 'full' or 'weights'"),
        ("evaluate.every=-1", "evaluate.every = -1: must be greater than or equal to 0"),
        ("data.first=0", "data.first = 0: must be greater than or equal to 1"),
        ("data.scale=3", "data.scale = 3: must be 'auto', 'none', 'unit' or 'max'"),
        ("data.classes=[1, 1]", "data.classes = [1, 1]: name at least one label, each once"),
        ("loss=3", "loss = 3: must be a table, [loss]"),
        ("stop=[1]", "stop = [1]: must be a table, [stop]"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(override, line):
    assert refused(override).splitlines()[1].strip() == line


@pytest.mark.parametrize(
    ("kind", "key", "known"),
    [
        ("data", "data.name", DATASETS),
        ("loss", "loss.name", LOSSES),
        ("solver", "solver.name", SOLVERS),
        ("network", "network.activation", ACTIVATIONS),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(kind, key, known):
    message = refused(f"{key}=nonsense")
    assert f"{key} = 'nonsense': known are {', '.join(known)}" in message
    for value in ("[1]", "{a = 1}", "3", "true"):
        assert f"{key} = " in refused(f"{key}={value}")


@pytest.mark.parametrize("kind", ["data", "loss", "solver"])
def test_a_missing_name_is_asked_for_with_the_known_ones(kind):
    text = "\n".join(
        f'[{other}]\nname = "{name}"'
        for other, name in (("data", "digits"), ("loss", "hinge"), ("solver", "taylor"))
        if other != kind
    )
    known = {"data": DATASETS, "loss": LOSSES, "solver": SOLVERS}[kind]
    assert f"{kind}.name is missing: known are {', '.join(known)}" in refused(text=text)


def test_an_unknown_key_is_refused_with_the_known_ones():
    for table, cls in (("stop", Stop), ("save", Save), ("evaluate", Evaluate), ("solver", Taylor)):
        message = refused(f"{table}.nonsense=1")
        assert f"{table}.nonsense: unknown key; [{table}] takes " in message
        listed = message.split("takes ")[1].strip().split(", ")
        assert set(listed) - {"name"} == {field.name for field in fields(cls)}
        assert ("name" in listed) == (table == "solver")


def test_an_unknown_table_or_key_outside_tables_is_refused():
    for override in ("nonsense.x=1", "nonsense=1"):
        message = refused(override)
        assert (
            "nonsense: unknown key; a job takes data, evaluate, log, loss, name, network, penalty, precision, "
            in message
        )


def test_the_parameters_of_an_activation_belong_to_it_alone():
    assert parse(LEAST, ["network.activation=leaky-relu", "network.slope=0.5"]).activation == LeakyRelu(0.5)
    assert "network.slope: unknown key; [network] takes activation, bias, dropout, dropout_inputs, hidden" in refused(
        "network.slope=0.5"
    )
    assert "noise_units, norm, slope" in refused("network.activation=leaky-relu", "network.x=0.5")
    assert "network.slope = 1.5: must be less than 1" in refused("network.activation=leaky-relu", "network.slope=1.5")


def test_all_faults_are_listed_at_once():
    text = """
        seed = -1
        other = 2
        [data]
        name = "digit"
        [network]
        hidden = [0]
        slope = 3
        [loss]
        [solver]
        name = "taylor"
        beta = -1
        gamma = "x"
        warm = 1.5
        [stop]
        when = 2026-11-21
        minutes = 07:32:00
        [save]
        keep = 0
        [evaluate]
        every = -1
    """
    message = refused(text=text)
    assert {line.strip().split(" ")[0].rstrip(":") for line in message.splitlines()[1:]} == {
        *("other", "seed", "network.hidden", "data.name", "network.slope", "loss.name", "solver.beta"),
        *("solver.gamma", "solver.warm", "stop.when", "stop.minutes", "save.keep", "evaluate.every"),
    }


def test_penalties_by_layer_are_checked_beside_other_faults():
    message = refused("solver.gamma=[1, 2]", "network.hidden=[3]", "stop.iterations=0")
    assert "solver.gamma = [1.0, 2.0]: must be one number, or a list of 1 for this network" in message
    assert "stop.iterations = 0" in message


def test_what_a_solver_cannot_train_is_refused_with_the_cure(monkeypatch):
    text = '[data]\nname = "digits"\n[loss]\nname = "hinge"\n[solver]\nname = "gadmm"\n[network]\nhidden = [5]'
    with monkeypatch.context() as linear:
        linear.setattr(SOLVERS["gadmm"], "most_layers", 1)
        linear.setattr(SOLVERS["gadmm"], "losses", ("squared", "cross-entropy"))
        message = refused(text=text)
    assert 'solver.name = "gadmm" trains at most 1 layers of weights, this network has 2' in message
    assert 'loss.name = "hinge": it minimises squared, cross-entropy' in message
    assert "stop.error = 0.1" in refused("stop.error=0.1")
    error = refused("stop.error=0.1", text=text)
    assert (
        'stop.error = 0.1: solver.name = "gadmm" does not know the optimum for 2 layers of weights and loss hinge'
        in error
    )
    periods = refused("solver.periods=[1]", 'solver.local="exact"', text=text)
    assert "solver.periods = [1]: must be a list of 2" in periods
    ring = refused("solver.topology=ring", "solver.workers=5", text=text)
    assert "solver.topology: a ring of 5 workers" in ring


@pytest.mark.parametrize("text", ["[data", "x = 1\nx = 2", "x = ", "\x00", "[a]\n[a]", "x = 1979-13-99", "'"])
def test_what_is_not_toml_is_refused_with_the_place(text):
    message = refused(text=text)
    assert message.startswith("the job file is not TOML: ")
    assert "line" in message or "end of document" in message


def test_a_list_of_tables_is_not_a_table():
    assert "must be a table, [data]" in refused(text='[[data]]\nname = "digits"\n')


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    for name in ("missing.toml", "latin.toml", "."):
        with pytest.raises(UsageError, match=r"cannot read the job file .*"):
            read(tmp_path / name, [], World.alone())


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["solver.name=dladmm", "solver.schedule=every"], ["rho = 1", "factor = 10", "limit = 0.1", "rho <= 0.01"]),
        (["solver.name=dladmm", "solver.schedule=adaptive", "solver.factor=1"], ["solver.factor = 1", "fixed"]),
        (["solver.name=dladmm", "solver.penalty=l1"], ["solver.decay = 0"]),
        (["solver.name=pdadmm", "solver.schedule=every", "solver.rho=600"], ["rho = 600", "1200", "limit >= 1200"]),
        (["solver.name=pdadmm", "solver.pull=proximal"], ["solver.pull", 'update = "exact"']),
        (["solver.name=pdadmm", "solver.update=exact", "solver.pull=proximal", "solver.ridge=0"], ["ridge > 0"]),
        (["solver.name=taylor", "solver.dual_step=2"], ["solver.dual_step = 2", "solver.warm"]),
        (["solver.name=adam", "solver.schedule=step", "solver.drop=1"], ["solver.drop = 1"]),
        (["solver.name=sgd", "solver.nesterov=true"], ["solver.momentum = 0"]),
        (["network.dropout=0.5"], ["network.dropout = 0.5", "no hidden layers", "dropout_inputs"]),
        (["network.hidden=[5, 4]", "network.dropout=[0.5]"], ["network.dropout has 1 entries", "has 2 layers"]),
        (["network.hidden=[5]", "network.dropout=1.0"], ["network.dropout = 1.0", "less than 1"]),
        (["network.dropout_inputs=-0.1"], ["network.dropout_inputs = -0.1"]),
        (["network.dropout_inputs=0.1"], ["network.dropout_inputs: ", "taylor", "does not train with dropout", "adam"]),
        (["solver.name=lbfgs", "network.hidden=[5]", "network.dropout=0.1"], ["network.dropout: ", "lbfgs", "sgd"]),
        (["solver.name=mpadmm", "solver.batch=0", "network.dropout_inputs=0.1"], ["solver.batch = 0", "line search"]),
        (["network.noise_inputs=0.1"], ["network.noise_inputs: ", "taylor", "dropout or noise", "adam"]),
        (["network.hidden=[5]", "network.noise=gaussian"], ["network.noise", "set network.dropout"]),
        (["network.hidden=[5]", "network.noise_units=0.1"], ["network.noise_units = 0.1", 'network.norm = "batch"']),
        (["solver.name=adam", "network.norm=batch"], ["network.norm", "needs hidden layers"]),
        (["network.hidden=[5]", "network.norm=batch", "network.activation=tanh"], ["network.norm", "leaky-relu"]),
        (["network.hidden=[5]", "network.norm=batch"], ["network.norm", "taylor", "sgd", "soap"]),
        (["solver.name=mpadmm", "network.hidden=[5]", "network.norm=batch"], ["network.norm", "mpadmm", "adam"]),
    ],
    ids=str,
)
def test_settings_that_cannot_do_what_they_say_are_refused_with_the_cure(overrides, words):
    message = refused(*overrides)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    "overrides",
    [
        ["solver.name=dladmm", "solver.schedule=every", "solver.rho=0.01", "solver.nu=0.01"],
        ["solver.name=dladmm", "solver.schedule=every", "solver.factor=0.5", "solver.limit=0.5"],
        ["solver.name=pdadmm", "solver.schedule=balanced", "solver.rho=2000"],
        ["solver.name=taylor", "solver.dual_step=2", "solver.warm=20"],
        ["solver.name=sgd", "solver.nesterov=true", "solver.momentum=0.9"],
        ["solver.name=sgd", "network.hidden=[5, 4]", "network.dropout=[0.0, 0.5]", "network.dropout_inputs=0.2"],
        ["solver.name=taylor", "network.hidden=[5, 4]", "network.dropout=[0.0, 0.0]"],
    ],
    ids=str,
)
def test_settings_that_can_act_once_are_taken(overrides):
    parse(LEAST, overrides)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("stop.tolerance=0.1", "stop.tolerance needs measures of the training part"),
        ("stop.residual_absolute=0.1", "stop.residual_absolute needs"),
        ("save.best=objective", 'save.best = "objective" needs'),
        ('evaluate.metrics=["train_roc_auc"]', 'evaluate.metrics: "train_roc_auc" needs'),
    ],
)
def test_what_needs_the_training_part_is_refused_without_it(override, words):
    parse(LEAST, [override])
    with pytest.raises(UsageError, match=words):
        parse(LEAST, [override, "evaluate.train=false"])
    parse(LEAST, ["save.best=test_accuracy", "stop.accuracy=0.9", "evaluate.train=false"])


def test_a_penalty_is_for_linear_models_and_for_solvers_that_take_one():
    text = '[data]\nname = "digits"\n[loss]\nname = "logistic"\n[penalty]\nname = "{}"\n[solver]\nname = "{}"\n'
    taken = '[penalty]: solver.name = "adam" takes none; these solvers do: consensus, unwrapped'
    assert taken in refused(text=text.format("l1", "adam"))
    deep = refused("network.hidden=[5]", text=text.format("l1", "consensus"))
    assert "[penalty]: is for linear models, and network.hidden has 1 layers" in deep
    named = refused(text=text.format("lasso", "unwrapped"))
    assert "penalty.name = 'lasso': known are none, l1, l2, elastic-net, group, box" in named
    assert "penalty.strength = -1" in refused("penalty.strength=-1", text=text.format("l1", "unwrapped"))
    assert 'stop.gap: needs a [penalty] (its name may be "none")' in refused("stop.gap=0.1")
    faulty = refused("stop.gap=0.1", text=text.format("lasso", "unwrapped"))
    assert "stop.gap" not in faulty
    assert len(refused("network.hidden=[3]", text=text.format("l1", "unwrapped")).splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["solver.server=average"], 'needs server = "admm"'),
        (["solver.dual_step=0.5"], "solver.dual_step: has no effect"),
        (["loss.name=hinge"], 'no local step for loss.name = "hinge": use unwrapped'),
        (["solver.path=[1,2]"], "solver.path: unknown key"),
    ],
)
def test_consensus_refuses_what_does_not_go_with_a_penalty_before_it_reads_data(options, said):
    text = '[data]\nname = "digits"\n[loss]\nname = "logistic"\n[penalty]\nname = "l1"\n[solver]\nname = "consensus"\n'
    assert said in refused(*options, text=text)
    assert "does not know the optimum" in refused("stop.error=0.1", text=text.format("l1", "consensus"))
