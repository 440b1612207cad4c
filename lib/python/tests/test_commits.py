"""What may be committed, and what a run makes of a checkpoint that it has already."""

from __future__ import annotations

import os
import unittest

from base import RepositoryCase, need

import dlv


class Commits(RepositoryCase):
    @need("numpy")
    def test_a_checkpoint_that_is_as_the_one_before_is_a_version_of_the_run(self) -> None:
        import numpy

        self.repo.commit({"w": numpy.ones(5000)}, message="base")
        with dlv.track() as run:
            run.commit(dlv.load("HEAD"), wait=False, step=1)
            run.commit(dlv.load("HEAD"), step=2)
        self.assertEqual([v["step"] for v in self.repo.log(limit=2)], [2, 1])
        # Outside of a run it is said that there is nothing to commit.
        with self.assertRaises(dlv.DlvError):
            dlv.commit(dlv.load("HEAD"))

    @need("numpy")
    def test_weights_take_nothing_else_away(self) -> None:
        import numpy

        for name in ("train.py", "notes/a.txt"):
            os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
            with open(name, "w") as file:
                file.write(name)
        self.repo.commit(["train.py", "notes/a.txt"], message="code")
        self.repo.commit({"w": numpy.ones(5000)}, message="weights")
        with dlv.track() as run:
            run.commit({"w": numpy.zeros(5000)}, path="ema.safetensors")
            run.commit({"w": numpy.full(5000, 2.0)}, path="net.safetensors")
        files = [entry["path"] for entry in self.repo.show("HEAD")["files"]]
        self.assertEqual(files, ["model.safetensors", "net.safetensors", "notes/a.txt", "train.py"])

    @need("numpy")
    def test_numbers_that_safetensors_lacks_are_refused(self) -> None:
        import numpy

        with self.assertRaises(dlv.DlvError) as caught:
            dlv.commit({"w": numpy.ones(3, dtype=numpy.complex128)})
        self.assertEqual(caught.exception.code, "DLV_DTYPE")

    def test_what_is_no_content_is_said_to_be_none(self) -> None:
        class Module:
            def state_dict(self) -> dict:
                return {}

        for content, hint in ((Module(), "state_dict()"), (5, "a mapping"), ([1], "a mapping")):
            with self.assertRaises(dlv.DlvError) as caught:
                dlv.commit(content)
            self.assertEqual(caught.exception.code, "DLV_USAGE")
            self.assertIn(hint, caught.exception.hint or "")


if __name__ == "__main__":
    unittest.main()
