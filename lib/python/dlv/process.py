"""The `dlv batch` process behind the package: one for this Python process, started when it is needed.

Calls of all threads share it, one after another. A child made by fork starts its own: the pipes of the parent
are not its to use. The process has a session of its own, so that Ctrl-C in a terminal or a notebook does not reach it;
an interrupted call is cancelled there. See docs/batch.md of dlv for the protocol.
"""

from __future__ import annotations

import atexit
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from typing import IO, Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from .errors import DlvError, DlvWarning

PROTOCOL = 1
_LINE_BYTES_MAX = 1 << 30
_FRAME_BYTES_MAX = 1 << 32
_STDERR_BYTES = 4000

INSTALL_HINT = (
    "install dlv ('npm install -g dlv' or 'npm install -g .' in its folder), or set DLV_COMMAND to how it is "
    "started, such as 'node /opt/dlv/dist/bin/dlv.cjs'"
)

Progress = Callable[[str, int, int], None]
Sink = Callable[[memoryview], None]


class Reply(NamedTuple):
    """What a request was answered with."""

    result: Any
    exit: int
    warnings: List[str]


def find_command() -> List[str]:
    """The words that start dlv: of DLV_COMMAND, else the `dlv` on the PATH."""
    given = os.environ.get("DLV_COMMAND")
    if given:
        words = [given] if os.path.isfile(given) and os.access(given, os.X_OK) else shlex.split(given)
        if words and shutil.which(words[0]) is not None:
            return words
        raise DlvError("DLV_NOT_INSTALLED", f"DLV_COMMAND is {given!r}, which is no program", hint=INSTALL_HINT)
    found = shutil.which("dlv")
    if found is None:
        raise DlvError("DLV_NOT_INSTALLED", "there is no command 'dlv' on the PATH", hint=INSTALL_HINT)
    return [found]


class _Broken(Exception):
    """The process ended, or its answers make no sense."""


class Process:
    """One `dlv batch`. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._child: Optional["subprocess.Popen[bytes]"] = None
        self._stderr: Optional[IO[bytes]] = None
        # Plain descriptors: a child made by fork closes them, which buffered streams do not allow for.
        self._in = -1
        self._out = -1
        self._buffer = bytearray()
        self._next = 0

    def request(
        self,
        op: str,
        args: Sequence[str],
        *,
        cwd: str,
        sink: Optional[Sink] = None,
        progress: Optional[Progress] = None,
        repeat: bool = False,
    ) -> Reply:
        """Asks for one command. `repeat` says that a second time does no harm if the process ends meanwhile."""
        with self._lock:
            for attempt in (1, 2):
                fresh = self._start()
                try:
                    return self._exchange(op, args, cwd, sink, progress)
                except (_Broken, OSError) as error:
                    why = self._end_broken(error)
                    # A process that had been killed before the call knows nothing of it.
                    if attempt == 2 or not (repeat and not fresh):
                        raise DlvError(
                            "DLV_PROCESS",
                            f"the process of dlv ended while it carried out '{op}': {why}",
                            hint="what it had stored is whole; call again, which starts another process",
                        ) from error
            raise AssertionError("unreachable")

    def close(self) -> None:
        """Ends the process. The next call starts another."""
        with self._lock:
            child, self._child = self._child, None
            if child is None:
                return
            self.close_pipes()
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if self._stderr is not None:
                self._stderr.close()
                self._stderr = None

    def close_pipes(self) -> None:
        for pipe in (self._in, self._out):
            if pipe >= 0:
                os.close(pipe)
        self._in = self._out = -1
        self._buffer.clear()

    def leave(self) -> None:
        """In a child made by fork: the process is the parent's."""
        self.close_pipes()
        if self._child is not None and self._child.returncode is None:
            self._child.returncode = 0  # so that no one waits for it, or warns

    def _start(self) -> bool:
        """Starts the process if it does not run. True if it was started now."""
        if self._child is not None and self._child.poll() is None:
            return False
        if self._child is not None:
            self._end_broken(None)
        command = find_command() + ["batch"]
        # What it writes to stderr is kept for the error that tells of its end; a pipe would fill.
        self._stderr = tempfile.TemporaryFile()
        theirs_in, self._in = os.pipe()
        self._out, theirs_out = os.pipe()
        try:
            self._child = subprocess.Popen(
                command,
                stdin=theirs_in,
                stdout=theirs_out,
                stderr=self._stderr,
                start_new_session=True,
            )
        except OSError as error:
            self.close_pipes()
            raise DlvError("DLV_NOT_INSTALLED", f"{command[0]!r} cannot be started: {error}", hint=INSTALL_HINT) from error
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        try:
            greeting = self._read_line()
        except (_Broken, OSError) as error:
            why = self._end_broken(error)
            raise DlvError(
                "DLV_NOT_INSTALLED",
                f"{shlex.join(command)} does not answer as dlv: {why}",
                hint=INSTALL_HINT,
            ) from error
        if greeting.get("protocol") != PROTOCOL:
            self.close()
            raise DlvError(
                "DLV_PROTOCOL",
                f"dlv {greeting.get('dlv')} speaks protocol {greeting.get('protocol')}, this package {PROTOCOL}",
                hint="install the package and the command of one release",
            )
        return True

    def _end_broken(self, error: Optional[BaseException]) -> str:
        """Lets a process go that ended. What it said last."""
        child, self._child = self._child, None
        stderr, self._stderr = self._stderr, None
        said = ""
        if child is not None:
            child.kill()
            code = child.wait()
            self.close_pipes()
            said = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if stderr is not None:
            stderr.seek(0, os.SEEK_END)
            stderr.seek(max(0, stderr.tell() - _STDERR_BYTES))
            text = stderr.read().decode("utf-8", "replace").strip()
            stderr.close()
            if text:
                said = f"{said}; it wrote: {text}"
        return said or str(error)

    def _send(self, request: Mapping[str, Any]) -> None:
        left = memoryview(json.dumps(request).encode() + b"\n")
        try:
            while left:
                left = left[os.write(self._in, left) :]
        except BrokenPipeError as error:
            raise _Broken("it reads no more") from error

    def _read_line(self) -> Dict[str, Any]:
        looked = 0
        while True:
            end = self._buffer.find(b"\n", looked)
            if end >= 0:
                break
            looked = len(self._buffer)
            part = os.read(self._out, 1 << 16)
            if not part or looked > _LINE_BYTES_MAX:
                raise _Broken("its answers ended")
            self._buffer += part
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            value = json.loads(line)
        except ValueError as error:
            raise _Broken(f"it answered {line[:80]!r}") from error
        if not isinstance(value, dict):
            raise _Broken(f"it answered {line[:80]!r}")
        return value

    def _read_frame(self, size: int, sink: Optional[Sink]) -> None:
        if not 0 <= size <= _FRAME_BYTES_MAX:
            raise _Broken(f"it announced a frame of {size} bytes")
        here = min(size, len(self._buffer))
        if here > 0:
            if sink is not None:
                sink(memoryview(bytes(self._buffer[:here])))
            del self._buffer[:here]
        left = size - here
        piece = memoryview(bytearray(min(left, 1 << 20)))
        while left > 0:
            count = os.readv(self._out, [piece[: min(left, len(piece))]])
            if count == 0:
                raise _Broken("its answers ended within a frame")
            left -= count
            if sink is not None:
                sink(piece[:count])

    def _exchange(
        self,
        op: str,
        args: Sequence[str],
        cwd: str,
        sink: Optional[Sink],
        progress: Optional[Progress],
    ) -> Reply:
        self._next += 1
        number = self._next
        request: Dict[str, Any] = {"id": number, "op": op, "args": list(args), "cwd": cwd}
        if sink is not None:
            request["data"] = True
        if progress is not None:
            request["progress"] = True
        self._send(request)
        try:
            return self._await(number, sink, progress)
        except BaseException as error:
            # Ctrl-C, or an error of the caller's own functions: the answer that is on its way is nobody's.
            if not isinstance(error, (_Broken, OSError, DlvError)):
                self._abandon(number)
            raise

    def _await(self, number: int, sink: Optional[Sink], progress: Optional[Progress]) -> Reply:
        while True:
            line = self._read_line()
            if line.get("id") != number:
                raise _Broken(f"it answered {line.get('id')} instead of {number}")
            if "frame" in line:
                self._read_frame(int(line["frame"]), sink)
            elif "progress" in line:
                event = line["progress"]
                if progress is not None:
                    progress(str(event["label"]), int(event["done"]), int(event["total"]))
            elif line.get("ok"):
                return Reply(line.get("result"), int(line.get("exit", 0)), list(line.get("warnings", [])))
            else:
                error = line.get("error") or {}
                data = error.get("data") or {}
                raise DlvError(
                    str(error.get("code")),
                    str(error.get("message")),
                    hint=data.get("hint"),
                    data=data,
                )

    def _abandon(self, number: int) -> None:
        """Ends a request whose answer nobody awaits. Where the pipe is within a line or frame, the process goes."""
        if self._child is not None:
            try:
                os.killpg(self._child.pid, signal.SIGTERM)
            except (OSError, AttributeError):
                self._child.terminate()
            try:
                self._child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                pass
        self._end_broken(None)


_current: Optional[Process] = None
_guard = threading.Lock()


def _after_fork() -> None:
    # The parent's lock may be held by a thread that is not here, and its pipes are the parent's.
    global _current, _guard
    _guard = threading.Lock()
    if _current is not None:
        _current.leave()
    _current = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def process() -> Process:
    """The process of this Python process."""
    global _current
    with _guard:
        if _current is None:
            _current = Process()
        return _current


def close() -> None:
    """Ends the `dlv batch` process, if one runs. The next call starts another."""
    with _guard:
        running = _current
    if running is not None:
        running.close()


atexit.register(close)


def ask(
    op: str,
    args: Sequence[str] = (),
    *,
    cwd: str,
    sink: Optional[Sink] = None,
    progress: Optional[Progress] = None,
    repeat: bool = False,
    on: Optional[Process] = None,
) -> Any:
    """Carries out one command and gives its document; what dlv warns of becomes a DlvWarning."""
    chosen = on if on is not None else process()
    reply = chosen.request(op, args, cwd=cwd, sink=sink, progress=progress, repeat=repeat)
    for text in reply.warnings:
        warnings.warn(text, DlvWarning, stacklevel=_depth())
    return reply.result


def _depth() -> int:
    """How far above `ask` the caller's own code is, so that a warning names its line."""
    here = os.path.dirname(__file__)
    depth = 2
    frame = sys._getframe(1)
    while frame is not None and os.path.dirname(frame.f_code.co_filename).startswith(here):
        frame = frame.f_back  # type: ignore[assignment]
        depth += 1
    return depth - 1
