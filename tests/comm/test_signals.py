"""The wish to stop: noted at any time, once, and a second Ctrl-C ends the process."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from hpcadmm.comm import signals as module
from hpcadmm.comm.signals import Signals, Watch

ALL = Watch.WATCHED


class Ended(BaseException):
    """Instead of os._exit."""


@pytest.fixture
def clock(monkeypatch):
    """The time that the handlers see, in a list; os._exit raises Ended."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def ended(code):
        raise Ended(code)

    monkeypatch.setattr(module.os, "_exit", ended)
    return now


@pytest.fixture(autouse=True)
def _handlers():
    before = {number: signal.getsignal(number) for number in ALL}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_they_are_those_that_batch_systems_send():
    """Slurm: USR1, TERM at the limit; LSF: USR2; Grid Engine: USR1, USR2, XCPU; a terminal: INT, HUP."""
    assert {one.name[3:] for one in ALL} == {"USR1", "USR2", "TERM", "XCPU", "INT", "HUP"}


@pytest.mark.parametrize("number", ALL)
def test_each_is_noted_and_the_handlers_come_back(number):
    before = [signal.getsignal(one) for one in ALL]
    with Signals() as signals:
        os.kill(os.getpid(), number)
        assert signals.raised == number.name
    assert [signal.getsignal(one) for one in ALL] == before


def test_a_second_ctrl_c_ends_at_once_and_one_that_is_sent_twice_does_not(clock, capfd):
    with Signals() as signals:
        for now in (0.0, 0.1):  # `timeout` sends one to the process and one to its group
            clock[0] = now
            os.kill(os.getpid(), signal.SIGINT)
        assert signals.pressed == 1
        clock[0] = 1.0
        with pytest.raises(Ended, match="130"):
            os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().err.count("a second Ctrl-C") == 1


def test_other_signals_never_end_at_once(clock):
    with Signals() as signals:
        for now, number in enumerate((signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)):
            clock[0] = float(now)
            os.kill(os.getpid(), number)
        assert (signals.raised, signals.count, signals.pressed) == ("SIGTERM", 5, 1)


def test_one_within_another_shares_what_came(clock):
    """Ctrl-C while loading, and a second one while saving or after it."""
    with Signals():
        os.kill(os.getpid(), signal.SIGINT)
        with Signals() as inner:
            assert inner.raised == "SIGINT"
        clock[0] = 1.0
        with pytest.raises(Ended):
            os.kill(os.getpid(), signal.SIGINT)


def test_in_a_program_of_the_user_a_second_ctrl_c_raises(clock):
    with Signals(exits=False), Signals():
        os.kill(os.getpid(), signal.SIGINT)
        clock[0] = 1.0
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_in_another_thread_the_handlers_stay():
    before = signal.getsignal(signal.SIGINT)

    def entered():
        with Signals() as signals:
            return signals.raised, signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(entered).result() == (None, before)


def test_under_nohup_a_hangup_is_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Watch() as watch:
        os.kill(os.getpid(), signal.SIGHUP)
        assert watch.raised is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
