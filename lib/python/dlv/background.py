"""Commits that a training does not wait for: one after another, by a `dlv batch` of their own."""

from __future__ import annotations

import atexit
import os
import threading
import warnings
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Callable, List, Optional, Set, Tuple

from .errors import DlvWarning
from .process import Process

Work = Callable[[Process], Any]


class _Worker:
    def __init__(self) -> None:
        self.process = Process()
        self.queue: "SimpleQueue[Optional[Tuple[Future[Any], Work]]]" = SimpleQueue()
        self.futures: List["Future[Any]"] = []
        self.thread = threading.Thread(target=self._run, name="dlv", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            item = self.queue.get()
            if item is None:
                self.process.close()
                return
            future, work = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work(self.process))
            except BaseException as error:  # the caller meets it where it waits
                future.set_exception(error)


_guard = threading.Lock()
_worker: Optional[_Worker] = None


def _after_fork() -> None:
    global _guard, _worker
    _guard = threading.Lock()
    if _worker is not None:
        _worker.process.leave()
    _worker = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def submit(work: Work) -> "Future[Any]":
    """Has something done behind all that was submitted before."""
    global _worker
    future: "Future[Any]" = Future()
    with _guard:
        if _worker is None:
            _worker = _Worker()
        _worker.futures.append(future)
        _worker.queue.put((future, work))
    return future


def in_turn(work: Work, alone: Callable[[], Any]) -> Any:
    """Does something after all commits that were submitted before, so that versions come in the order of their calls."""
    with _guard:
        is_busy = _worker is not None and any(not future.done() for future in _worker.futures)
    if not is_busy:
        return alone()
    future = submit(work)
    forget(future)
    return future.result()


def quietly(work: Work) -> None:
    """Has something done behind that nobody waits for. An error is told once for each kind, and ends nothing."""
    future = submit(work)
    forget(future)
    future.add_done_callback(_tell_error)


_told: Set[str] = set()


def _tell_error(future: "Future[Any]") -> None:
    error = None if future.cancelled() else future.exception()
    if error is None:
        return
    kind = getattr(error, "code", type(error).__name__)
    if kind not in _told:
        _told.add(kind)
        warnings.warn(f"the record of a run could not be written: {error}", DlvWarning, stacklevel=2)


def settle() -> None:
    """Waits until what was submitted so far is done, whatever came of it."""
    future = submit(lambda _: None)
    forget(future)
    future.result()


def wait() -> None:
    """Waits until all commits of the background are done. Raises the first error that nobody has met."""
    while True:
        with _guard:
            if _worker is None or not _worker.futures:
                return
            future = _worker.futures.pop(0)
        future.result()


def forget(future: "Future[Any]") -> None:
    """Whoever called has met the outcome."""
    with _guard:
        if _worker is not None and future in _worker.futures:
            _worker.futures.remove(future)


def _finish() -> None:
    """At the end of the program nothing is dropped, and no error is kept silent."""
    global _worker
    while True:
        try:
            wait()
            break
        except BaseException as error:
            warnings.warn(f"a commit in the background failed: {error}", DlvWarning, stacklevel=2)
    with _guard:
        worker, _worker = _worker, None
    if worker is not None:
        worker.queue.put(None)
        worker.thread.join(timeout=30)


atexit.register(_finish)
