"""A repository as an object. Each method is a command of dlv; its result is what the command prints with --json."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from . import background, tensors
from .commits import Commit, Committed, Metrics, PathLike, Place, Point, inside, param_text, paths_of, points_of
from .errors import DlvError
from .lines import choose_line
from .process import Process, Progress, ask

class Checkpoint(Dict[str, Any]):
    """The tensors of a checkpoint by name. They are the caller's own, to write to."""

    version: str = ""
    path: Optional[str] = None
    others: List[str]
    metadata: Dict[str, str]


class LazyCheckpoint(Mapping[str, Any]):
    """The tensors of a checkpoint, of which each is read when it is asked for, and nothing is kept."""

    def __init__(
        self,
        repo: "Repo",
        version: str,
        path: str,
        rows: Mapping[str, Tuple[str, str, str, Tuple[int, ...]]],
        framework: str,
        planes: Optional[int],
        bounds: bool,
    ) -> None:
        self.version = version
        self.path = path
        self._repo = repo
        self._rows = rows
        self._framework = framework
        self._planes = planes
        self._bounds = bounds

    def __getitem__(self, name: str) -> Any:
        file, inside, _, _ = self._rows[name]
        return self._repo._tensor(self.version, file, inside, self._framework, self._planes, self._bounds)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def dtype(self, name: str) -> str:
        """The dtype as safetensors calls it: F32, BF16 …"""
        return self._rows[name][2]

    def shape(self, name: str) -> Tuple[int, ...]:
        return self._rows[name][3]


def _place(rev: str, path: Optional[str]) -> str:
    return rev if path is None else f"{rev}:{path}"


class Repo:
    """The repository around a folder.

    Its paths of versions are relative to the folder that holds `.dlv`; paths of files to the working folder of Python.
    """

    def __init__(self, path: PathLike = ".", *, _on: Optional[Process] = None) -> None:
        self._cwd = os.path.abspath(os.fspath(path))
        self._on = _on
        self._root: Optional[str] = None

    @classmethod
    def init(cls, path: PathLike = ".", *, model: Optional[str] = None) -> "Repo":
        """Makes a repository in a folder, which is made if it is not there."""
        os.makedirs(path, exist_ok=True)
        repo = cls(path)
        repo.run("init", *(["--model", model] if model else []))
        return repo

    def __repr__(self) -> str:
        return f"Repo({self._cwd!r})"

    @property
    def path(self) -> str:
        """The folder that holds `.dlv`."""
        if self._root is None:
            here = self._cwd
            while not os.path.isdir(os.path.join(here, ".dlv")):
                above = os.path.dirname(here)
                if above == here:
                    self.run("status")  # dlv says it better
                    break
                here = above
            self._root = here
        return self._root

    def run(self, command: str, *words: str, progress: Optional[Progress] = None, repeat: bool = False) -> Any:
        """Any command: its words as on the command line, its result as with --json.

        `repeat` says that the command may be carried out twice if the process of dlv is killed meanwhile.
        """
        return ask(command, words, cwd=self._cwd, progress=progress, repeat=repeat, on=self._on)

    def _read(self, command: str, *words: str) -> Any:
        return self.run(command, *words, repeat=True)

    # --- reading ---------------------------------------------------------------------------------

    def load(
        self,
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
    ) -> Any:
        """The tensors of a version. See dlv.load."""
        tensors.frameworks_module(framework)
        if bounds and planes is None:
            raise DlvError("DLV_USAGE", "bounds are asked for without planes", hint="planes=2 reads the two leading bytes of each float")
        if tensor is not None and path is not None:
            return self._tensor(rev, path, tensor, framework, planes, bounds)
        if lazy or tensor is not None:
            rows = self._lazy(rev, path, framework, planes, bounds)
            if tensor is None:
                return rows
            if tensor not in rows:
                raise DlvError("DLV_NOT_FOUND", f"{_place(rev, path)!r} has no tensor {tensor!r}", hint="dlv.load(rev, lazy=True) lists the names")
            return rows[tensor]
        words = [_place(rev, path), "--format", "safetensors"]
        if planes is not None:
            words += ["--planes", str(planes)]
        if accept_tier:
            words.append("--accept-tier")
        buffer, document = self._checkpoint(words, progress)
        file = document.get("file")
        entries, metadata = tensors.header_of(file, buffer) if file else tensors.read_header(buffer)
        if names is not None:
            missing = [name for name in names if name not in entries]
            if missing:
                raise DlvError("DLV_NOT_FOUND", f"{_place(rev, path)!r} has no tensor {missing[0]!r}", hint="dlv.load(rev, lazy=True) lists the names")
            entries = {name: entries[name] for name in names}
        framework = "torch" if framework == "torch" else "np"
        found = Checkpoint()
        found.version = document["version"]
        found.path = document["snapshot"] or document["path"]
        found.others = list(document["others"])
        found.metadata = dict(metadata)
        for name, array in tensors.make_arrays(buffer, entries, framework):
            found[name] = tensors.bounds_of(array, entries[name].dtype, planes, framework) if bounds and planes else array
        return found

    def _checkpoint(self, words: List[str], progress: Optional[Progress]) -> Tuple[tensors.Buffer, Dict[str, Any]]:
        """A safetensors file in memory: mapped where dlv may leave it in its cache, else through the pipe."""
        for attempt in (1, 2):
            try:
                document = self.run("cat", *words, "--to-cache", progress=progress, repeat=True)
            except DlvError as error:
                if error.code not in ("DLV_IO", "DLV_LIMIT"):
                    raise
                break
            try:
                return tensors.map_file(document["file"]), document
            except FileNotFoundError:
                continue  # another process has just deleted it: it is made again
        buffer = bytearray()
        document = ask(
            "cat", words, cwd=self._cwd, on=self._on, progress=progress, sink=lambda part: buffer.extend(part)
        )
        return buffer, document

    def _tensor(self, rev: str, path: str, name: str, framework: str, planes: Optional[int], bounds: bool) -> Any:
        words = [f"{rev}:{path}#{name}"]
        if planes is not None:
            words += ["--planes", str(planes)]
        buffer = bytearray()
        document = ask("cat", words, cwd=self._cwd, on=self._on, sink=lambda part: buffer.extend(part))
        row = document["tensor"]
        entry = tensors.Entry(row["dtype"], tuple(row["shape"]), 0, len(buffer))
        framework = "torch" if framework == "torch" else "np"
        array = tensors.make_array(buffer, name, entry, framework)
        return tensors.bounds_of(array, entry.dtype, planes, framework) if bounds and planes else array

    def _lazy(self, rev: str, path: Optional[str], framework: str, planes: Optional[int], bounds: bool) -> LazyCheckpoint:
        document = self._read("cat", _place(rev, path), "--format", "safetensors")
        version, snapshot = document["version"], document["snapshot"]
        key = snapshot or document["path"]
        files = [key]
        if snapshot is not None:
            files = self._members(version, snapshot)
        rows: Dict[str, Tuple[str, str, str, Tuple[int, ...]]] = {}
        for file in files:
            shown = self._read("show", f"{version}:{file}")
            for t in shown.get("tensors") or []:
                rows[t["name"]] = (file, t["name"], t["dtype"], tuple(t["shape"]))
        return LazyCheckpoint(self, version, key, rows, framework, planes, bounds)

    def _members(self, version: str, snapshot: str) -> List[str]:
        """The files of a checkpoint: those that its index names, or itself."""
        if not snapshot.endswith(".index.json"):
            return [snapshot]
        try:
            names = set(json.loads(self.read(version, snapshot))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DlvError("DLV_CORRUPT", f"{snapshot!r} cannot be read as an index of shards: {error}") from error
        return sorted(os.path.normpath(os.path.join(os.path.dirname(snapshot), str(name))) for name in names)

    def read(self, rev: str, path: str) -> bytes:
        """The bytes of a file of a version, as it was added."""
        buffer = bytearray()
        ask("cat", [f"{rev}:{path}"], cwd=self._cwd, on=self._on, sink=lambda part: buffer.extend(part))
        return bytes(buffer)

    def show(self, rev: str = "HEAD") -> Dict[str, Any]:
        """All that a version says: files, snapshots, metrics, hyperparameters, lineage."""
        return dict(self._read("show", rev))

    def log(self, rev: Optional[str] = None, *, limit: Optional[int] = None, all: bool = False) -> List[Dict[str, Any]]:
        """Versions, newest first."""
        words = [*([rev] if rev else []), *(["-n", str(limit)] if limit is not None else []), *(["--all"] if all else [])]
        return list(self._read("log", *words))

    def status(self) -> Dict[str, Any]:
        """What is staged, changed and not tracked."""
        return dict(self._read("status"))

    def diff(self, *revisions: str, paths: Sequence[str] = ()) -> Dict[str, Any]:
        """What differs between two versions, for tensors in numbers; of more than two, each from the first."""
        words = [*revisions, *(["--", *paths] if paths else [])]
        return dict(self._read("diff", *words))

    def versions(
        self,
        where: Optional[str] = None,
        *,
        sort: Optional[str] = None,
        columns: Optional[Sequence[str]] = None,
        model: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> List[Dict[str, Any]]:
        """Versions that fit a condition of `dlv list`, as rows with `version`, `name`, `number` and `values`."""
        words = ["--versions"]
        for flag, value in (("--where", where), ("--sort", sort), ("--model", model)):
            if value is not None:
                words.append(f"{flag}={value}")
        if columns is not None:
            words.append(f"--columns={','.join(columns)}")
        if limit is not None:
            words.append(f"--last={limit}")
        return list(self._read("list", *words)["rows"])

    def best(self, metric: str, *, better: Optional[str] = None, where: Optional[str] = None, model: Optional[str] = None) -> str:
        """The version with the best value of a metric, as a revision such as bert@3.

        Whether less (`better="min"`) or more (`better="max"`) is better is known of metrics that declare it and of
        names as accuracy or loss, as `dlv diff`, `dlv keep` and `best()` know it. DlvError DLV_USAGE asks for it otherwise.
        """
        if better not in (None, "min", "max"):
            raise DlvError("DLV_USAGE", f"better is {better!r}", hint="it is 'min' or 'max'")
        column = f"metrics.`{metric}`" if not metric.replace("_", "a").isalnum() else f"metrics.{metric}"
        condition = f"{column} is not null" if where is None else f"({where}) and {column} is not null"
        if better is None:
            words = [] if model is None else [f"--model={model}"]
            told = self._read("list", "--versions", f"--where={condition}", f"--columns={column}", "--last=1", *words)
            better = next(iter(told["better"].values()), None)
            if better is None and told["fit"] > 0:
                hint = f"say it: best({metric!r}, better='max'), or declare it: dlv commit --metric '{metric}:max'"
                raise DlvError("DLV_USAGE", f"whether less or more of {metric!r} is better is not known", hint=hint)
        rows = self.versions(condition, sort=f"-{column}" if better == "max" else column, model=model, limit=1)
        if not rows:
            raise DlvError("DLV_NOT_FOUND", f"no version has the metric {metric!r}", hint="Repo.versions() lists what versions have")
        return str(rows[0]["name"])

    def query(self, text: str) -> Dict[str, Any]:
        """What a DQL query gives."""
        return dict(self._read("query", text))

    # --- changing --------------------------------------------------------------------------------

    def add(self, *paths: PathLike, branch: Optional[str] = None) -> Dict[str, Any]:
        """Stores files and stages them for the next version."""
        words = [*(["--branch", branch] if branch else []), "--", *(os.path.abspath(os.fspath(p)) for p in paths)]
        return dict(self.run("add", *words, repeat=True))

    def checkout(self, rev: str, *, paths: Sequence[str] = (), out: Optional[PathLike] = None) -> Dict[str, Any]:
        """Writes the files of a version into the work tree or, with `out`, into another folder."""
        words = [rev, *paths, *(["--out", os.path.abspath(os.fspath(out))] if out is not None else [])]
        return dict(self.run("checkout", *words))

    def tag(self, name: Optional[str] = None, rev: str = "HEAD") -> Any:
        """Names a version. Without a name, all tags."""
        return self.run("tag", repeat=True) if name is None else dict(self.run("tag", name, rev))

    def branch(self, name: Optional[str] = None, start: Optional[str] = None) -> Any:
        """Makes a branch, without going there. Without a name, the branches of HEAD's model."""
        if name is None:
            return self.run("branch", repeat=True)
        return dict(self.run("branch", name, *([start] if start else [])))

    def commit(
        self,
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
        _place: Optional[Place] = None,
    ) -> Any:
        """Makes a version. See dlv.commit. A branch that is not there is made, from HEAD's branch if that is of the same model."""
        if path is not None:
            path = inside(path)
        text = message if message else (f"step {step}" if step is not None else "commit")
        words = ["-m", text]
        for flag, value in (("--branch", branch), ("--operation", operation)):
            if value is not None:
                words += [flag, value]
        if step is not None:
            words += ["--step", str(int(step))]
        if allow_empty:
            words.append("--allow-empty")
        for flag, pairs in (("--env", environment), ("--data", data)):
            for name, value in (pairs or {}).items():
                words += [flag, f"{name}={value}"]
        for name, value in (params or {}).items():
            words += ["--param", f"{name}={param_text(value)}"]
        for parent in parents:
            words += ["--parent", parent]
        for log in logs:
            words += ["--log", os.path.abspath(os.fspath(log))]
        points = points_of(metrics, None)
        work = Commit(self._cwd, words, points, branch, _place, lambda on: self._make_branch(branch, on))
        if isinstance(content, Mapping):
            work.state(content, path or "model.safetensors", metadata, texts or {})
        elif content is None:
            work.tracked()
        else:
            given = paths_of(content)
            work.files([os.path.abspath(os.fspath(p)) for p in given], path, skip, now=wait)
        if wait:
            return background.in_turn(work, lambda: work(self._on))
        return background.submit(work)

    def _make_branch(self, branch: Optional[str], on: Optional[Process]) -> None:
        choose_line(self if on is None else Repo(self._cwd, _on=on), None, branch)


__all__ = ["Checkpoint", "LazyCheckpoint", "Repo"]
