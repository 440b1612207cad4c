"""What one commit does, now or in the background, and how values become words of a command line."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from . import tensors
from .errors import DlvError
from .hold import Held, new_name, sweep
from .process import Process, ask

PathLike = Union[str, "os.PathLike[str]"]
Metrics = Union[Mapping[str, Any], Sequence["Point"]]

# More points than this go through a file of JSON lines: a request has at most 1 MiB.
_POINTS_IN_WORDS = 100


class Point(NamedTuple):
    """A metric at a step."""

    name: str
    value: float
    step: Optional[int] = None


class Committed(Dict[str, Any]):
    """The document of a commit; `version`, `name` (as model@3) and `number` as attributes too."""

    @property
    def version(self) -> str:
        return str(self["version"])

    @property
    def name(self) -> str:
        return str(self["name"])

    @property
    def number(self) -> int:
        return int(self["number"])


def metric_text(value: Any) -> Optional[str]:
    """A number as dlv reads it, or None for what is no number."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, (int, float)):
        item = getattr(value, "item", None)
        if item is None or getattr(value, "size", 1) not in (1,) and not callable(getattr(value, "size", None)):
            return None
        try:
            value = item()
        except (ValueError, TypeError, RuntimeError):
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
    number = float(value)
    if math.isnan(number):
        return "nan"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return repr(number)


def points_of(metrics: Optional[Metrics], step: Optional[int]) -> List[Tuple[str, str, Optional[int]]]:
    if metrics is None:
        return []
    given: Iterable[Point] = (
        [Point(name, value, step) for name, value in metrics.items()]
        if isinstance(metrics, Mapping)
        else [Point(*point) for point in metrics]
    )
    # Of several values at a step the last counts.
    rows: Dict[Tuple[str, Optional[int]], Tuple[str, str, Optional[int]]] = {}
    for name, value, at in given:
        text = metric_text(value)
        if text is None:
            raise DlvError("DLV_USAGE", f"metric {name!r} is {value!r}, no number", hint="metrics are numbers; put texts into params")
        rows[(str(name), at)] = (str(name), text, at)
    return list(rows.values())


def param_text(value: Any) -> str:
    """A hyperparameter as dlv reads it: JSON where that says its type."""
    if isinstance(value, str):
        return json.dumps(value) if _looks_typed(value) else value
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return str(value)


def _looks_typed(text: str) -> bool:
    try:
        json.loads(text)
        return True
    except ValueError:
        return False


def paths_of(content: Any) -> List[PathLike]:
    """One path or several. Raises DlvError for what is neither, such as a module in place of its state dict."""
    if isinstance(content, (str, os.PathLike)):
        return [content]
    if not hasattr(content, "state_dict"):
        try:
            paths = list(content)
        except TypeError:
            paths = [content]
        if all(isinstance(path, (str, os.PathLike)) for path in paths):
            return paths
        hint = "give a path, a list of paths, or a mapping of names to arrays"
    else:
        hint = "give its weights: content.state_dict()"
    raise DlvError("DLV_USAGE", f"a version cannot hold a {type(content).__name__}", hint=hint)


def inside(path: str) -> str:
    """A path in a version, which leaves no folder."""
    pure = os.path.normpath(path)
    if os.path.isabs(pure) or pure.split(os.sep)[0] in ("..", "."):
        raise DlvError("DLV_USAGE", f"path is {path!r}", hint="it is a path in the version, such as 'model.safetensors'")
    return pure


class Place(NamedTuple):
    """Where a run holds a checkpoint until it is a version, and what tells dlv that it is there."""

    run: str
    n: int
    folder: str
    tell: Callable[[str], None]


class Commit:
    """What one commit does, now or in the background."""

    def __init__(
        self,
        cwd: str,
        words: List[str],
        points: List[Tuple[str, str, Optional[int]]],
        branch: Optional[str],
        place: Optional[Place] = None,
        make_branch: Optional[Callable[[Optional[Process]], None]] = None,
    ) -> None:
        self._make_branch = make_branch
        self._place = place
        self._is_told = False
        self._cwd = cwd
        self._branch = branch
        self._words = words
        self._points = points
        self._stage: Optional[List[str]] = None
        self._folder: Optional[str] = None
        self._held: List[Held] = []

    def tracked(self) -> None:
        self._words.append("-a")

    def state(
        self,
        content: Mapping[str, Any],
        path: str,
        metadata: Optional[Mapping[str, str]],
        texts: Mapping[str, str],
    ) -> None:
        """The tensors are written now: the training changes them next."""
        if not content:
            raise DlvError("DLV_USAGE", "the state dict has no tensors", hint="an empty one is seldom meant; files without tensors are committed by their paths")
        self._folder = self._place.folder if self._place else os.path.join(self._cwd, new_name())
        if self._place is None:
            sweep(self._cwd)
        os.makedirs(self._folder)
        try:
            tensors.write_safetensors(content, os.path.join(self._folder, path), metadata)
            for name, text in texts.items():
                with open(os.path.join(self._folder, inside(name)), "w", encoding="utf-8") as file:
                    file.write(text)
            self._tell(path)
        except BaseException:
            self.release()
            raise

    def files(self, paths: List[str], path: Optional[str], skip: Sequence[str], *, now: bool) -> None:
        """A folder is the whole version; one file takes the place that its path names; else files are added."""
        first = paths[0] if paths else ""
        is_folder = len(paths) == 1 and os.path.isdir(first)
        if is_folder and path is not None:
            raise DlvError("DLV_USAGE", f"path is {path!r}, and a folder is given", hint="leave path away")
        if is_folder or (len(paths) == 1 and path is not None):
            if is_folder and now and not skip and self._place is None:
                self._words += ["--from", first]
                return
            if not os.path.exists(first):
                raise DlvError("DLV_NOT_FOUND", f"there is no file or folder {first!r}", hint="write it before it is committed")
            # Files of a checkpoint's folder are new ones each time; a single file is often written over in place.
            into = self._place.folder if self._place else None
            self._held.append(Held(first, links=is_folder, name=path, skip=skip, into=into))
            try:
                self._tell(first)
            except BaseException:
                self.release()
                raise
            if self._place is None:
                self._words += ["--from", self._held[0].folder, *([] if is_folder else ["--keep-others"])]
        elif now:
            self._stage = paths
        else:
            raise DlvError(
                "DLV_USAGE",
                "files are to be committed in the background without a path",
                hint="name a folder, or one file with its path in the version: path='model.safetensors'",
            )

    def _tell(self, what: str) -> None:
        if self._place is not None:
            self._place.tell(what)
            self._is_told = True
            self._words += ["--held-of", f"{self._place.run}:{self._place.n}"]

    def release(self) -> None:
        if self._is_told:
            return  # dlv lets go of it when it is a version, and keeps it for `dlv run --recover` if it cannot be one yet
        for held in self._held:
            held.release()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __call__(self, on: Optional[Process] = None) -> Committed:
        words = list(self._words)
        if self._folder is not None and self._place is None:
            words += ["--from", self._folder, "--keep-others"]
        log: Optional[str] = None
        try:
            if len(self._points) <= _POINTS_IN_WORDS:
                for name, value, step in self._points:
                    words += ["--metric", f"{name}={value}" if step is None else f"{name}@{int(step)}={value}"]
            else:
                log = _log_file(self._points)
                words += ["--log", log]
                for name, value, step in self._points:
                    if step is None:
                        words += ["--metric", f"{name}={value}"]
            try:
                return self._make(words, on)
            except DlvError as error:
                if self._make_branch is None or not self._lacks_branch(error):
                    raise
                self._make_branch(on)
                return self._make(words, on)
        finally:
            self.release()
            if log is not None:
                os.unlink(log)
                os.rmdir(os.path.dirname(log))

    def _make(self, words: List[str], on: Optional[Process]) -> Committed:
        if self._stage is not None:
            where = ["--branch", self._branch] if self._branch else []
            ask("add", [*where, "--", *self._stage], cwd=self._cwd, on=on, repeat=True)
        return Committed(ask("commit", words, cwd=self._cwd, on=on))

    def _lacks_branch(self, error: DlvError) -> bool:
        if self._branch is None or error.code != "DLV_NOT_FOUND" or error.data.get("kind") != "branch":
            return False
        return str(error.data.get("name")).split("/")[-1] == self._branch.split("/")[-1]


def _log_file(points: Sequence[Tuple[str, str, Optional[int]]]) -> str:
    """Points as JSON lines, one for each step, in a file that dlv reads."""
    by_step: Dict[int, Dict[str, Any]] = {}
    for name, value, step in points:
        if step is not None:
            number: Any = value if value in ("nan", "inf", "-inf") else float(value)
            by_step.setdefault(int(step), {})[name] = number
    log = os.path.join(tempfile.mkdtemp(prefix="dlv-"), "metrics.jsonl")
    with open(log, "w", encoding="utf-8") as file:
        for step, row in sorted(by_step.items()):
            file.write(json.dumps({"step": step, **row}) + "\n")
    return log
