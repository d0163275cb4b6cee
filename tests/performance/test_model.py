"""The machine's fits, the network's formulas, predictions, and their fit to measured points."""

import json
from dataclasses import replace

import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.performance import probe
from hpcadmm.performance.fabric import Link, network
from hpcadmm.performance.machine import Machine, fitted, gemm_terms, value
from hpcadmm.performance.predict import FACTORS, NONE, estimate
from hpcadmm.solvers import SOLVERS
from hpcadmm.solvers.shared.case import Case, places
from hpcadmm.solvers.shared.ops import Gemm
from tests.helpers.made_machine import BYTE, DENSE, GEMM, LATENCY, MACHINE, probed

TAYLOR = Case(SOLVERS["taylor"](), (100, 80, 60, 10), 20_000)
PDADMM = Case(SOLVERS["pdadmm"](), (200, *[200] * 5, 10), 5_000, loss="squared")
MPADMM = Case(SOLVERS["mpadmm"](), (100, 80, 60, 10), 20_000)
HERE = network(MACHINE)


# The machine.


def test_the_fits_recover_what_made_the_samples():
    rates = MACHINE.at(1)
    assert rates.gemm["float32"]["apply"] == pytest.approx(GEMM, rel=0.02)
    assert rates.dense["cholesky"][2] == pytest.approx(DENSE["cholesky"][2], rel=0.02)
    assert MACHINE.messages("sum") == pytest.approx([LATENCY, BYTE], rel=0.02)


def test_a_sample_of_a_busy_moment_hardly_moves_a_fit():
    sizes = [8, 1000, 10_000, 100_000, 1_000_000, 3_000_000]
    seconds = [LATENCY + BYTE * size for size in sizes]
    seconds[4] *= 5
    (latency, byte), error = fitted([[1.0, size] for size in sizes], seconds)
    assert (latency, byte) == (pytest.approx(LATENCY, rel=0.02), pytest.approx(BYTE, rel=0.02))
    assert error < 0.01


def test_between_rank_counts_rates_lie_between():
    four = Machine({}, [probed(1), probed(4, 2.0)])
    assert [four.at(n).far for n in (1, 2, 3, 4, 9)] == pytest.approx([6e-11, 8e-11, 10e-11, 12e-11, 12e-11])
    assert four.at(2).gemm["float32"]["apply"][4] == pytest.approx(GEMM[4] * 4 / 3, rel=0.02)


def test_a_machine_file_is_read_as_it_was_written(tmp_path):
    (tmp_path / "m.json").write_text(MACHINE.text())
    assert Machine.read(tmp_path / "m.json").rates == MACHINE.rates


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "damaged"), ("[1]", "not a machine file"), ('{"format": 1}', "damaged"), ('{"format": 9}', "format 1"),
     ('{"format": 1, "about": {}, "probes": [{"ranks": 1}]}', "damaged"),
     ('{"format": 1, "about": {}, "probes": []}', "damaged")],
)  # fmt: skip
def test_another_file_is_refused(tmp_path, text, said):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(UsageError, match=said):
        Machine.read(tmp_path / "m.json")


def test_the_probe_measures_what_a_machine_is_made_of(monkeypatch):
    monkeypatch.setattr(probe, "QUICK", [(3, 4, 8), (20, 10, 16), (30, 40, 8), (8, 8, 64), (50, 20, 20)])
    monkeypatch.setattr(probe, "STREAM", 1 << 12)
    monkeypatch.setattr(probe, "FAR", 1 << 10)
    wanted = probe.Wanted(("float32",), ("relu",), ("hinge",), quick=True)
    found = json.loads(json.dumps(probe.probe(World.alone(), wanted)))
    machine = Machine({}, [found])
    rates, kernels = machine.at(1), machine.at(1).kernels["float32"]
    assert [row[:3] for row in found["gemm"]["float32"]["apply"]][1] == [20, 16, 10]
    assert [row[:3] for row in found["gemm"]["float32"]["outer"]][1] == [20, 10, 16]
    assert [row[:3] for row in found["gemm"]["float32"]["gram"]][1] == [10, 10, 16]
    assert {"relu prox", "relu value", "relu derivative", "hinge prox", "hinge gradient", "fold"} <= set(kernels)
    assert min(*kernels.values(), rates.near, rates.far, rates.call) > 0


def test_a_product_is_timed_by_the_shape_of_its_calls():
    """W a: rows by the columns of a tile; z a^T: rows by inner, over the columns of a tile."""
    apply, outer = (Gemm(1, kind, 30, 7, 640.0, 10.0) for kind in ("apply", "outer"))
    assert (apply.shape, outer.shape) == ((30, 64, 7), (30, 7, 64))
    assert apply.flops == outer.flops == 2 * 30 * 7 * 640
    gram = Gemm(1, "gram", 30, 30, 640.0, 10.0)
    assert (gram.shape, gram.flops) == ((30, 30, 64), 30 * 31 * 640)
    assert MACHINE.at(1).seconds(apply, "float32")[1] == pytest.approx(
        10 * value(GEMM, gemm_terms(30, 64, 7)), rel=0.02
    )


# The network.


def test_a_sum_of_one_rank_is_free_and_more_bytes_or_ranks_never_cost_less():
    link = Link(1e-6, 1e-10, 1e-6, 2e-10)
    assert link.allreduce(1, 1e9) == (0, 0)
    assert link.allreduce(2, 0) == (1e-6, 0)
    for ranks in (2, 3, 8, 1000):
        times = [sum(link.allreduce(ranks, 10.0**k)) for k in range(10)]
        assert times == sorted(times)
    for size in (8, 1e5, 1e8):
        times = [sum(link.allreduce(2**k, size)) for k in range(14)]
        assert times == sorted(times)


def test_short_sums_take_log_p_steps_and_long_ones_twice_the_bytes():
    link = Link(1e-6, 1e-10, 1e-6, 2e-10)
    assert link.allreduce(1024, 8)[0] == pytest.approx(10e-6)
    assert link.allreduce(1024, 1e9)[1] == pytest.approx(1e9 * (2 * 1e-10 + 1e-10), rel=1e-2)


def test_between_nodes_a_sum_and_a_message_use_the_network():
    wide = network(MACHINE, "100g")
    assert wide.allreduce(32, 1e6) == HERE.allreduce(32, 1e6)
    inside, outside = wide.allreduce(32, 1e6), wide.allreduce(64, 1e6)
    assert sum(outside) == pytest.approx(sum(inside) + 2 * 1.5e-6 + 1e6 * (1 / 12.5e9 + 0.5e-10))
    assert wide.send(64, 1, 1e6)[1] == pytest.approx(1e6 / 12.5e9)
    assert wide.send(64, 32, 1e6)[1] == pytest.approx(32e6 / 12.5e9), "all ranks of a node share its connection"
    assert sum(network(MACHINE, "200g").allreduce(1024, 1e6)) < sum(wide.allreduce(1024, 1e6))


def test_a_network_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("latency_us = 3\ngigabytes_per_second = 5\nranks_per_node = 4\nshared_latency_us = 0.5\n")
    mine = network(MACHINE, str(file))
    assert (mine.name, mine.ranks_per_node, mine.shared.latency) == ("mine", 4, 5e-7)
    assert mine.shared.byte == pytest.approx(BYTE, rel=0.02)
    assert mine.send(8, 1, 5e9) == pytest.approx((3e-6, 1.0))


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "neither one of this, 100g, 200g"), ("x = [", "not TOML"), ("latency_us = 1", "ranks_per_node is missing"),
     ("latency_us = 1\ngigabytes_per_second = 0\nranks_per_node = 2", "gigabytes_per_second = 0"),
     ("latency_us = 1\ngigabytes_per_second = 1\nranks_per_node = 2\nlatency = 3", "latency: unknown key")],
)  # fmt: skip
def test_a_bad_network_file_is_one_message(tmp_path, text, said):
    file = tmp_path / "mine.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=said):
        network(MACHINE, str(file))


def test_the_network_between_measured_nodes():
    far = [[8, 1e-4], [1 << 16, 2e-4], [1 << 20, 1e-4 + 1e-8 * (1 << 20)]]  # 64 KiB were let through at once
    two = Machine({}, [probed(1), {**probed(2), "nodes": 2, "messages": {}, "between": {"send": far, "sum": far}}])
    over = network(two)
    assert (over.ranks_per_node, over.name) == (1, "that between the 2 measured nodes")
    assert sum(over.allreduce(2, 1e6)) == pytest.approx(1e-4 + 1e-2, rel=0.02)
    assert list(two.rates) == [1]


# Predictions.


@pytest.mark.parametrize("case", [TAYLOR, PDADMM, MPADMM], ids=lambda case: case.solver.name)
def test_one_rank_takes_the_sum_of_its_parts_and_sends_nothing(case):
    one = estimate(case, 1, MACHINE, HERE)
    (parts,), p = one.blocks, one.predict()
    assert p.seconds == pytest.approx(parts["products"] + parts["passes"] + parts["serial"])
    assert p.seconds == pytest.approx(sum(p.terms.values()))
    assert [p.terms[name] for name in ("tiles", "layers", "fill", "latency", "bytes")] == pytest.approx([0] * 5)
    (place,) = places(case, 1, 1)
    products = [op for op in place.case.solver.bill(place) if isinstance(op, Gemm)]
    assert parts["products"] == pytest.approx(sum(MACHINE.at(1).seconds(op, "float32")[1] for op in products))


@pytest.mark.parametrize("case", [TAYLOR, PDADMM, MPADMM], ids=lambda case: case.solver.name)
@pytest.mark.parametrize("ranks", [2, 6, 8])
def test_terms_add_up_and_a_factor_acts_on_its_part_only(case, ranks):
    one = estimate(case, ranks, MACHINE, HERE)
    plain = one.predict()
    assert plain.seconds == pytest.approx(sum(plain.terms.values()))
    assert min(plain.terms.values()) > -1e-12
    talk = one.predict({**NONE, "communicate": 3.0})
    gained = 2 * (plain.terms["latency"] + plain.terms["bytes"])
    assert talk.seconds - plain.seconds == pytest.approx(gained, rel=1e-6)
    assert one.predict(dict.fromkeys(FACTORS, 2.0)).seconds == pytest.approx(2 * plain.seconds)


def test_more_ranks_share_the_work_until_tiles_are_too_few():
    tiles = TAYLOR.tiles().count
    at = {n: estimate(TAYLOR, n, MACHINE, HERE).predict() for n in (1, 2, tiles, 2 * tiles)}
    assert at[2].terms["work"] == pytest.approx(at[1].terms["work"] / 2 * 1.1, rel=0.04)
    assert at[tiles].terms["tiles"] < 0.02 * at[tiles].seconds, "but that the last one is shorter"
    assert at[2 * tiles].limit == "tiles"
    assert at[2 * tiles].seconds >= at[tiles].seconds


def test_the_layers_of_pdadmm_limit_where_they_do_not_go_into_the_ranks():
    assert estimate(PDADMM.gridded(6, 1), 6, MACHINE, HERE).predict().limit == "layers"
    even, uneven = (estimate(PDADMM.gridded(k, 1), k, MACHINE, HERE).predict() for k in (3, 4))
    assert uneven.terms["layers"] > even.terms["layers"]


def test_a_slow_network_limits_and_says_so(tmp_path):
    file = tmp_path / "slow.toml"
    file.write_text("latency_us = 1e6\ngigabytes_per_second = 10\nranks_per_node = 2\n")
    assert estimate(TAYLOR, 8, MACHINE, network(MACHINE, str(file))).predict().limit == "latency"
    file.write_text("latency_us = 1\ngigabytes_per_second = 1e-4\nranks_per_node = 2\n")
    slow = network(MACHINE, str(file))
    assert estimate(TAYLOR, 8, MACHINE, slow).predict().limit == "bytes"
    one = estimate(PDADMM, 6, MACHINE, slow)
    shown = one.predict().terms["bytes"]
    assert shown > 1.5 * max(parts["bytes"] for parts in one.blocks), "a hidden message longer than the work shows"


def test_the_pipeline_of_mpadmm_has_to_fill():
    deep = MPADMM.gridded(3, 1)
    few, many = (replace(deep, solver=replace(deep.solver, cut=cut)) for cut in (2, 16))
    fills = [estimate(case, 3, MACHINE, HERE).predict().terms["fill"] for case in (few, many)]
    assert fills[0] > 3 * fills[1] > 0
