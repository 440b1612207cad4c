"""A training that tells dlv of itself: metrics while it goes on, versions of what it saves, on one line.

Such a training is a run: `dlv run list`, `show` and the page of `dlv ui` show it as those of `dlv run`. Its record is kept by dlv; what is
told goes there through the process of the background, about once a second. What it holds lies in the folder of the
run, so that `dlv run --recover` makes versions of it if this process is killed.
"""

from __future__ import annotations

import atexit
import json
import os
import platform
import sys
import threading
import time
import warnings
from types import TracebackType
from typing import Any, Dict, List, Mapping, Optional, Type, Union

from . import background
from .commits import Committed, Metrics, PathLike, Place, Point, metric_text, param_text
from .errors import DlvError, DlvWarning
from .lines import choose_line
from .process import Process, ask
from .repository import Repo

_PACKAGES = ("torch", "numpy", "transformers", "accelerate", "peft", "lightning", "pytorch_lightning", "keras", "tensorflow", "jax")

# Metrics go to the record of a run about so often, and so many of them at once: a request has at most 1 MiB.
_TELL_SECONDS = 1.0
_ROWS_AT_ONCE = 2000

_guard = threading.Lock()
_active: List["Run"] = []
_unfinished: List["Run"] = []
_pending: List[Point] = []


def environment() -> Dict[str, str]:
    """Facts about machine and programs: versions of packages that are loaded, not of all that are there."""
    facts = {
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": str(os.cpu_count() or 1),
        "python": platform.python_version(),
    }
    for name in _PACKAGES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            facts[name] = version
    torch = sys.modules.get("torch")
    try:
        if torch is not None and torch.cuda.is_available():
            for i in range(torch.cuda.device_count()):
                facts[f"gpu.{i}"] = str(torch.cuda.get_device_name(i))
    except Exception:  # a driver that does not work is no reason to end a training
        pass
    return facts


def flat(values: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    """Settings as hyperparameters: mappings within become names with points, what is None is left out."""
    found: Dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            found.update(flat(value, f"{key}."))
        elif value is None:
            continue
        elif isinstance(value, (bool, int, float, str)):
            found[key] = value
        elif isinstance(value, (list, tuple)) and all(isinstance(v, (bool, int, float, str)) for v in value):
            found[key] = list(value)
        else:
            found[key] = str(value)
    return found


class Run:
    """What dlv.track gives: a context in which metrics are logged and files become versions of one line."""

    def __init__(
        self,
        *,
        model: Optional[str] = None,
        params: Optional[Mapping[str, Any]] = None,
        branch: Optional[str] = None,
        repo: Union[None, PathLike, Repo] = None,
        operation: str = "train",
        name: Optional[str] = None,
    ) -> None:
        self.repo = repo if isinstance(repo, Repo) else Repo("." if repo is None else repo)
        self.line = choose_line(self.repo, model, branch)
        self.params: Dict[str, Any] = flat(params or {})
        self.versions: List[Any] = []
        self._operation = operation
        self._points: List[Point] = []
        self._lock = threading.Lock()
        self._background: List[Any] = []
        self._rows: List[Dict[str, Any]] = []
        self._told = self._began = time.monotonic()
        self._cpu = _cpu_seconds()
        self._checkpoints = 0
        self._is_over = False
        self.name = name
        first, _, branch = self.line.partition("/")
        begin = {
            "pid": os.getpid(),
            "name": name,
            "command": _command(),
            "model": first,
            "branch": branch,
            "params": {key: param_text(value) for key, value in self.params.items()},
            "environment": environment(),
        }
        begun = self.repo.run("run", "--track", json.dumps({"begin": begin}))
        self.id: str = begun["run"]
        self._held = str(begun["held"])
        with _guard:
            _unfinished.append(self)
        self._tell({"facts": True})
        background.quietly(lambda on: ask("run", ["--recover"], cwd=self.repo._cwd, on=on))

    def _tell(self, news: Mapping[str, Any]) -> None:
        """News for the record, behind what was told before. The training does not wait, and is not ended by an error."""
        text = json.dumps({"run": self.id, "news": {**news, "usage": self._usage()}})

        def work(on: Process) -> None:
            ask("run", ["--track", text], cwd=self.repo._cwd, on=on)

        background.quietly(work)

    def _usage(self) -> Dict[str, Any]:
        return {
            "seconds": round(time.monotonic() - self._began, 3),
            "cpuSeconds": round(_cpu_seconds() - self._cpu, 3),
            "peakBytes": _peak_bytes(),
        }

    def _tell_metrics(self) -> None:
        with self._lock:
            rows, self._rows = self._rows, []
            self._told = time.monotonic()
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            self._tell({"rows": rows[at : at + _ROWS_AT_ONCE]})

    def finish(self, error: Optional[BaseException] = None) -> None:
        """Ends the run: waits for its commits, and notes how it went. Raises the first error among the commits."""
        if self._is_over:
            return
        self._is_over = True
        with _guard:
            if self in _unfinished:
                _unfinished.remove(self)
        try:
            self.wait()
        finally:
            self._tell_metrics()
            problem = None if error is None else f"{type(error).__name__}: {error}"[:500]
            self._tell({"end": {"state": "finished" if error is None else "failed", "problem": problem}})
            background.settle()

    def __enter__(self) -> "Run":
        with _guard:
            _active.append(self)
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        with _guard:
            if self in _active:
                _active.remove(self)
        try:
            self.finish(error)
        except Exception:
            # The training's own error says more; that of a commit is raised where there is none.
            if error is None:
                raise

    def log(self, metrics: Optional[Mapping[str, Any]] = None, /, *, step: Optional[int] = None, **named: Any) -> None:
        """Notes metrics. They are part of every version that is committed afterwards, as curves where they have steps."""
        rows = []
        for name, value in {**(metrics or {}), **named}.items():
            if metric_text(value) is None:
                raise DlvError("DLV_USAGE", f"metric {name!r} is {value!r}, no number", hint="put texts into params")
            rows.append(Point(str(name), float(value), None if step is None else int(step)))
        row = {"step": None if step is None else int(step), "time": int(time.time() * 1000)}
        with self._lock:
            self._points += rows
            if rows:
                self._rows.append({**row, "values": {p.name: _json_number(p.value) for p in rows}})
            is_time = time.monotonic() - self._told >= _TELL_SECONDS
        if is_time:
            self._tell_metrics()

    def commit(
        self,
        content: Union[PathLike, Mapping[str, Any]],
        *,
        message: Optional[str] = None,
        step: Optional[int] = None,
        metrics: Optional[Metrics] = None,
        wait: bool = True,
        **options: Any,
    ) -> Any:
        """Makes a version of a file, a folder or a state dict; what was logged so far is part of it.

        With wait=False the training goes on at once; what fails is raised at the end of the run.
        """
        with self._lock:
            points = list(self._points)
        given: List[Point] = []
        if metrics is not None:
            given = [Point(n, v) for n, v in metrics.items()] if isinstance(metrics, Mapping) else [Point(*p) for p in metrics]
        if step is None:
            steps = [point.step for point in points if point.step is not None]
            step = max(steps) if steps else None
        facts = {**environment(), **options.pop("environment", {})}
        # A version of a run is what is given and nothing else, wherever it lies.
        if isinstance(content, (str, os.PathLike)) and not os.path.isdir(content):
            options.setdefault("path", os.path.basename(os.fspath(content)))
        # A checkpoint that is as the one before is one all the same: it has a step and metrics of its own.
        options.setdefault("allow_empty", True)
        self._tell_metrics()
        made = self.repo.commit(
            content,
            message=message,
            branch=self.line,
            step=step,
            metrics=points + given,
            params={**self.params, **options.pop("params", {})},
            operation=options.pop("operation", self._operation),
            environment=facts,
            wait=wait,
            _place=self._next_place(step),
            **options,
        )
        if isinstance(made, Committed):
            self.versions.append(made)
        else:
            self._background.append(made)
        return made

    def _next_place(self, step: Optional[int]) -> Place:
        with self._lock:
            self._checkpoints += 1
            n = self._checkpoints

        def tell(what: str) -> None:
            place = os.path.relpath(what, self.repo.path) if os.path.isabs(what) else what
            place = what if place.startswith("..") else place.replace(os.sep, "/")
            held = {"n": n, "place": place, "step": step}
            news = {"run": self.id, "news": {"held": held, "usage": self._usage()}}
            # Now, not behind: from here on it is a version in the end, whatever happens to this process.
            self.repo.run("run", "--track", json.dumps(news))

        return Place(self.id, n, os.path.join(self._held, str(n)), tell)

    def wait(self) -> List[Any]:
        """Waits for commits of the background. Raises the first error among them. All versions of the run."""
        failed: Optional[BaseException] = None
        while self._background:
            future = self._background.pop(0)
            background.forget(future)
            try:
                self.versions.append(future.result())
            except Exception as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return self.versions


def _command() -> List[str]:
    """The words that started this program, as far as they are known; in a notebook, none that say anything."""
    words = list(getattr(sys, "orig_argv", None) or [sys.executable, *sys.argv])
    return [os.path.basename(words[0]) or "python", *(str(word)[:1000] for word in words[1:200])]


def _json_number(value: float) -> Union[float, str]:
    """JSON has no infinite numbers."""
    text = metric_text(value)
    return text if text in ("nan", "inf", "-inf") else value


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _peak_bytes() -> int:
    """The most memory that this process had at once; 0 where the system does not tell."""
    try:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(peak if sys.platform == "darwin" else peak * 1024)
    except (ImportError, OSError):
        return 0


@atexit.register
def _finish_all() -> None:
    """A run that was not ended before the program is: its training did not come to its end."""
    while True:
        with _guard:
            if not _unfinished:
                return
            run = _unfinished[-1]
        try:
            run.finish(RuntimeError("the program ended before the run did"))
        except BaseException as error:
            warnings.warn(f"run {run.id}: {error}", DlvWarning, stacklevel=2)


def _after_fork() -> None:
    # The runs are the parent's.
    global _guard, _active, _unfinished
    _guard = threading.Lock()
    _active, _unfinished = [], []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def track(
    model: Optional[str] = None,
    params: Optional[Mapping[str, Any]] = None,
    *,
    branch: Optional[str] = None,
    repo: Union[None, PathLike, Repo] = None,
    operation: str = "train",
    name: Optional[str] = None,
) -> Run:
    """A context for a training loop of your own; see Run. The line is chosen now, whatever HEAD does meanwhile."""
    return Run(model=model, params=params, branch=branch, repo=repo, operation=operation, name=name)


def log_metrics(metrics: Mapping[str, Any], step: Optional[int] = None) -> None:
    """Notes metrics for the run of the `with dlv.track(...)` around, else for the next dlv.commit of this process."""
    with _guard:
        run = _active[-1] if _active else None
    if run is not None:
        run.log(metrics, step=step)
        return
    for name, value in metrics.items():
        if metric_text(value) is None:
            raise DlvError("DLV_USAGE", f"metric {name!r} is {value!r}, no number", hint="metrics are numbers")
    with _guard:
        _pending.extend(Point(str(name), float(value), step) for name, value in metrics.items())


def take_pending() -> List[Point]:
    """Metrics that no version has yet."""
    with _guard:
        taken = list(_pending)
        _pending.clear()
    return taken


def give_back(points: List[Point]) -> None:
    """The commit that took them failed."""
    with _guard:
        _pending[:0] = points
