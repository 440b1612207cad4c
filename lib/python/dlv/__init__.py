"""dlv from Python: versions of models as arrays, checkpoints as versions, trainings as runs.

    import dlv
    weights = dlv.load("HEAD")                            # {name: array}, the caller's own to write to
    with dlv.track(model="mnist", params={"lr": 1e-3}) as run:
        run.log(step=1, loss=0.7)
        run.commit(weights, message="first")

The command `dlv` must be installed; DLV_COMMAND says how it is started where it is not on the PATH. One `dlv batch`
process answers all calls of a Python process.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional, Sequence, Union

from . import background as _background
from . import tensors as _tensors
from . import tracking as _tracking
from .commits import Committed, Metrics, PathLike, Point
from .errors import DlvError, DlvWarning
from .process import Progress, close
from .repository import Checkpoint, LazyCheckpoint, Repo
from .tensors import Bounds
from .tracking import Run, log_metrics, track

__version__ = "0.1.0"

__all__ = [
    "Bounds",
    "Checkpoint",
    "Committed",
    "DlvCallback",
    "DlvError",
    "DlvWarning",
    "LazyCheckpoint",
    "Point",
    "Repo",
    "Run",
    "close",
    "commit",
    "diff",
    "load",
    "log",
    "log_metrics",
    "save",
    "track",
    "wait",
]


def load(
    rev: str = "HEAD",
    *,
    path: Optional[str] = None,
    tensor: Optional[str] = None,
    names: Optional[Sequence[str]] = None,
    framework: str = "np",
    lazy: bool = False,
    planes: Optional[int] = None,
    bounds: bool = False,
    accept_tier: bool = False,
    progress: Optional[Progress] = None,
    repo: Union[None, PathLike, Repo] = None,
) -> Any:
    """The tensors of a checkpoint of a version, {name: array}. They are mapped into memory, and yours to write to.

    path       a file, an index of shards or a folder of the version, where it has several checkpoints
    tensor     only this one, as an array; with `path` nothing else is read
    names      only these
    framework  "np" or "torch". NumPy has no bfloat16 and no 8-bit floats: there they are uint16 and uint8, their bits
    lazy       a mapping that reads each tensor when it is asked for, and keeps nothing
    planes     reads only so many leading bytes of each float: values are the middle of what they can be
    bounds     with `planes`: Bounds(least, greatest, middle) instead of arrays
    progress   is called with a label, what is done and the total
    """
    return _repo(repo).load(
        rev,
        path=path,
        tensor=tensor,
        names=names,
        framework=framework,
        lazy=lazy,
        planes=planes,
        bounds=bounds,
        accept_tier=accept_tier,
        progress=progress,
    )


def save(tensors: Mapping[str, Any], path: PathLike, *, metadata: Optional[Mapping[str, str]] = None) -> int:
    """Writes NumPy arrays or torch tensors as a safetensors file, which appears whole. The number of its bytes."""
    return _tensors.write_safetensors(tensors, os.fspath(path), metadata)


def commit(
    content: Union[None, PathLike, Sequence[PathLike], Mapping[str, Any]] = None,
    *,
    message: Optional[str] = None,
    path: Optional[str] = None,
    branch: Optional[str] = None,
    step: Optional[int] = None,
    metrics: Optional[Metrics] = None,
    params: Optional[Mapping[str, Any]] = None,
    logs: Sequence[PathLike] = (),
    parents: Sequence[str] = (),
    operation: Optional[str] = None,
    environment: Optional[Mapping[str, str]] = None,
    data: Optional[Mapping[str, str]] = None,
    metadata: Optional[Mapping[str, str]] = None,
    texts: Optional[Mapping[str, str]] = None,
    skip: Sequence[str] = (),
    allow_empty: bool = False,
    wait: bool = True,
    repo: Union[None, PathLike, Repo] = None,
) -> Any:
    """Makes a version of

    - nothing given: the tracked files that changed, as `dlv commit -a`
    - one file, or several: these, added, and what else is tracked
    - a folder: exactly its files, under their names below it, as `dlv commit --from`; `skip` are patterns of names
    - one file and `path`, its path in the version; the other files of the last version stay
    - a state dict: one safetensors file, `path` (default: model.safetensors), and `texts`, {name: text}; the others stay

    `metrics` is a mapping, or a list of Point(name, value, step); what dlv.log_metrics noted is added. With wait=False a Future
    comes at once and the work is done behind: a folder's files are held as they are, a single file is copied first. Its
    error is raised by future.result(), by dlv.wait(), or told when the program ends.
    """
    pending = _tracking.take_pending()
    points = list(pending)
    if metrics is not None:
        points += [Point(n, v) for n, v in metrics.items()] if isinstance(metrics, Mapping) else [Point(*p) for p in metrics]
    try:
        return _repo(repo).commit(
            content,
            message=message,
            path=path,
            branch=branch,
            step=step,
            metrics=points,
            params=params,
            logs=logs,
            parents=parents,
            operation=operation,
            environment=environment,
            data=data,
            metadata=metadata,
            texts=texts,
            skip=skip,
            allow_empty=allow_empty,
            wait=wait,
        )
    except BaseException:
        _tracking.give_back(pending)
        raise


def diff(*revisions: str, paths: Sequence[str] = (), repo: Union[None, PathLike, Repo] = None) -> Dict[str, Any]:
    """What differs between versions, for each tensor in numbers: the document of `dlv diff --json`."""
    return _repo(repo).diff(*revisions, paths=paths)


def log(
    rev: Optional[str] = None,
    *,
    limit: Optional[int] = None,
    all: bool = False,
    repo: Union[None, PathLike, Repo] = None,
) -> Any:
    """Versions, newest first."""
    return _repo(repo).log(rev, limit=limit, all=all)


def wait() -> None:
    """Waits for all commits of the background. Raises the first error among them."""
    _background.wait()


def _repo(given: Union[None, PathLike, Repo]) -> Repo:
    return given if isinstance(given, Repo) else Repo("." if given is None else given)


def __getattr__(name: str) -> Any:
    # The callbacks subclass classes of frameworks, which are not loaded before they are asked for.
    if name == "DlvCallback":
        from .callbacks.huggingface import DlvCallback

        return DlvCallback
    raise AttributeError(f"module 'dlv' has no attribute {name!r}")
