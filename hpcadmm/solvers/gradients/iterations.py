"""scipy.optimize.minimize an iteration at a time: it runs in a thread, which waits whenever its caller works."""

import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any

from hpcadmm.model.state import Array

Evaluate = Callable[[Array], tuple[float, Array]]  # value and gradient at a point
STOP = object()  # told to the thread: unwind
PATIENCE = 10.0  # seconds that closing waits for the thread; it is a daemon, so it can hold up nothing


class Stopped(BaseException):
    """Unwinds scipy in its thread; no handler of exceptions may take it for one of the function's."""


class Iterations:
    """minimize(method, options) from x, an iteration each time it is asked for.

    Caller and thread alternate strictly: all evaluations, hence all messages between ranks, are made in the caller's
    thread. The thread ends with scipy, with `close`, when this object is forgotten, and at exit.
    """

    def __init__(self, method: str, x: Array, options: dict[str, Any]) -> None:
        self._said: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        arguments = (self._said, self._told, method, x.copy(), options)
        self._thread = threading.Thread(target=_run, args=arguments, daemon=True, name=f"minimize {method}")
        self._closing = weakref.finalize(self, _close, self._told, self._thread)
        self._thread.start()

    def next(self, evaluate: Evaluate) -> Array | None:
        """The point after one more iteration; None if scipy ended instead: it converged, or its line search failed.

        What `evaluate` raises comes out here, as does what scipy raises; in both cases the thread has ended.
        """
        try:
            self._told.put(None)  # go on after the last iteration, or begin
            while True:
                kind, value = self._said.get()
                if kind == "evaluate":
                    self._told.put(evaluate(value))
                elif kind == "iterated":
                    return value
                elif kind == "raised":
                    raise value
                else:
                    return None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the thread."""
        self._closing()


def _run(said: Any, told: Any, method: str, x: Array, options: dict[str, Any]) -> None:
    """The thread: says what it wants, and waits until it is told the answer."""
    from scipy.optimize import minimize  # takes a quarter of a second, which other solvers need not spend

    def ask(kind: str, value: Array) -> Any:
        said.put((kind, value.copy()))
        return wait()

    def wait() -> Any:
        answer = told.get()
        if answer is STOP:
            raise Stopped
        return answer

    try:
        wait()
        minimize(
            lambda x: ask("evaluate", x),
            x,
            method=method,
            jac=True,
            callback=lambda x: ask("iterated", x),
            options=options,
        )
        said.put(("ended", None))
    except Stopped:
        pass
    except BaseException as error:  # noqa: BLE001 (it is raised where the caller waits)
        said.put(("raised", error))


def _close(told: Any, thread: threading.Thread) -> None:
    """Have the thread unwind, and see it out."""
    told.put(STOP)
    thread.join(PATIENCE)
