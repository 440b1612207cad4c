"""Files kept as they are until they are a version: a trainer deletes old checkpoints, or writes over them."""

from __future__ import annotations

import fnmatch
import os
import secrets
import shutil
from typing import Optional, Sequence

PREFIX = ".dlv-held-"


class Held:
    """A folder beside what is held, with second names of its files, or copies."""

    def __init__(
        self, place: str, *, links: bool, name: Optional[str] = None, skip: Sequence[str] = ()
    ) -> None:
        """
        links  whoever writes these files makes new ones each time, and writes none of them again
        name   of a single file in the folder; default: its own
        skip   patterns of names in a folder that are left out
        """
        place = os.path.abspath(place)
        self._links = links
        self._skip = skip
        self.folder = os.path.join(os.path.dirname(place), f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}")
        os.mkdir(self.folder)
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
