"""Files kept as they are until they are a version: a trainer deletes old checkpoints, or writes over them."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from typing import Optional, Sequence, Set

PREFIX = ".dlv-held-"
# A folder of another machine, whose processes cannot be seen from here, is taken for left over after this.
_OLD_SECONDS = 7 * 24 * 3600
_NAME = re.compile(re.escape(PREFIX) + r"([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]+")


def _here() -> str:
    """Where pids mean the same as here: the machine, and the container in it."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _start_of(pid: int) -> str:
    """When a process began, in ticks since the machine started: pids are used again. "0" where that cannot be seen."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "0"


def new_name() -> str:
    """A name for a folder of what this process holds, which tells whose it is."""
    pid = os.getpid()
    return f"{PREFIX}{_here()}-{pid}-{_start_of(pid)}-{secrets.token_hex(6)}"


_swept: Set[str] = set()


def sweep(folder: str) -> None:
    """Removes what killed processes left in a folder. Once for each folder, and never an error."""
    if folder in _swept:
        return
    _swept.add(folder)
    try:
        names = [name for name in os.listdir(folder) if name.startswith(PREFIX)]
    except OSError:
        return
    for name in names:
        place = os.path.join(folder, name)
        try:
            if _is_left_over(name, os.stat(place).st_mtime):
                shutil.rmtree(place, ignore_errors=True)
        except OSError:
            pass


def _is_left_over(name: str, changed: float) -> bool:
    match = _NAME.fullmatch(name)
    if match is None or match[1] != _here():
        return time.time() - changed > _OLD_SECONDS
    pid, start = int(match[2]), match[3]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    now = _start_of(pid)
    return start != "0" and now != "0" and now != start


class Held:
    """A folder beside what is held, with second names of its files, or copies."""

    def __init__(
        self,
        place: str,
        *,
        links: bool,
        name: Optional[str] = None,
        skip: Sequence[str] = (),
        into: Optional[str] = None,
    ) -> None:
        """
        links  whoever writes these files makes new ones each time, and writes none of them again
        name   of a single file in the folder; default: its own
        skip   patterns of names in a folder that are left out
        into   the folder that is made for it; default: one beside what is held
        """
        place = os.path.abspath(place)
        self._links = links
        self._skip = skip
        beside = os.path.dirname(place)
        if into is None:
            sweep(beside)
        self.folder = into or os.path.join(beside, new_name())
        os.makedirs(self.folder)
        try:
            if os.path.isdir(place):
                self._take_folder(place)
            else:
                target = os.path.join(self.folder, name or os.path.basename(place))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                self._take(place, target)
        except BaseException:
            self.release()
            raise

    def _take_folder(self, place: str) -> None:
        for folder, folders, names in os.walk(place):
            folders[:] = [
                name
                for name in folders
                if not name.startswith(PREFIX)
                and name not in (".git", ".dlv")
                and not any(fnmatch.fnmatch(name, pattern) for pattern in self._skip)
            ]
            target = os.path.join(self.folder, os.path.relpath(folder, place))
            os.makedirs(target, exist_ok=True)
            for name in names:
                source = os.path.join(folder, name)
                if any(fnmatch.fnmatch(name, pattern) for pattern in self._skip):
                    continue
                if os.path.isfile(source):
                    self._take(source, os.path.join(target, name))

    def _take(self, source: str, target: str) -> None:
        if self._links and not os.path.islink(source):
            try:
                os.link(source, target)
                return
            except OSError:
                pass  # another disk, or one without links
        shutil.copy2(source, target)

    def release(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
