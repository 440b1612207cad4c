"""What the tests share: a repository in a folder of its own, and loud skips."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import unittest
from typing import Any, Callable

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import dlv

_BUILT = os.path.join(os.path.dirname(__file__), "..", "..", "..", "dist", "bin", "dlv.cjs")
if "DLV_COMMAND" not in os.environ and os.path.exists(_BUILT):
    os.environ["DLV_COMMAND"] = shlex.join(["node", os.path.realpath(_BUILT)])
os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("DLV_AUTHOR_NAME", "Tester")
os.environ.setdefault("DLV_AUTHOR_EMAIL", "tester@example.org")


def need(*modules: str) -> Callable[[Any], Any]:
    """Skips a test where a module is missing, and says so where everybody sees it."""
    missing = []
    for name in modules:
        try:
            __import__(name)
        except Exception:  # torch without its libraries raises others
            missing.append(name)
    if missing:
        print(f"SKIPPED: {', '.join(missing)} is not installed: what needs it is NOT tested", file=sys.stderr)
    return unittest.skipIf(bool(missing), f"not installed: {', '.join(missing)}")


class RepositoryCase(unittest.TestCase):
    """Each test works in a new repository of the model `net`, which is also the working folder."""

    def setUp(self) -> None:
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="dlv-python-"))
        self.before = os.getcwd()
        os.chdir(self.dir)
        self.repo = dlv.Repo.init(".", model="net")

    def tearDown(self) -> None:
        os.chdir(self.before)
        shutil.rmtree(self.dir)

    def left_over(self) -> list:
        """Folders of held files that nobody removed."""
        found = []
        for folder, folders, _ in os.walk(self.dir):
            found += [os.path.join(folder, name) for name in folders if name.startswith(".dlv-held-")]
        return found
