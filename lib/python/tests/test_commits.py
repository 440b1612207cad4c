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

    def test_a_state_dict_without_tensors_is_refused(self) -> None:
        with dlv.track() as run:
            for commit in (dlv.commit, run.commit):
                with self.assertRaises(dlv.DlvError) as caught:
                    commit({}, message="x")
                self.assertEqual(caught.exception.code, "DLV_USAGE")
                self.assertIn("no tensors", caught.exception.message)
        self.assertEqual(self.repo.versions(), [])
        self.assertEqual([name for name in os.listdir(".") if name.startswith(".dlv-")], [])

    @need("numpy")
    def test_a_branch_that_is_not_there_is_made(self) -> None:
        import numpy

        self.repo.commit({"w": numpy.ones(5000)}, message="base")
        first = dlv.commit({"w": numpy.zeros(5000)}, branch="net/new")
        later = dlv.commit({"w": numpy.full(5000, 2.0)}, branch="other", wait=False).result()
        with open("notes.txt", "w") as file:
            file.write("x")
        dlv.commit("notes.txt", branch="net/texts")
        self.assertEqual((first["branch"], later["branch"]), ("new", "other"))
        self.assertEqual([len(self.repo.log(f"net/{name}")) for name in ("new", "other", "texts")], [2, 2, 2])
        self.assertEqual([row["branch"] for row in self.repo.branch()], ["main", "new", "other", "texts"])
        # What else is not there is not made.
        with self.assertRaises(dlv.DlvError):
            dlv.commit({"w": numpy.full(5000, 3.0)}, branch="net/fresh", parents=["net/nowhere"])
        self.assertNotIn("nowhere", [row["branch"] for row in self.repo.branch()])
        self.repo.tag("best", "net/new")
        self.assertEqual([row["tag"] for row in self.repo.tag()], ["best"])

    @need("numpy")
    def test_the_best_version_is_the_one_that_dlv_calls_best(self) -> None:
        import numpy

        for accuracy in (0.7, 0.9, 0.8):
            metrics = {"accuracy": accuracy, "swish": accuracy, "val_loss": accuracy}
            self.repo.commit({"w": numpy.full(5000, accuracy)}, message="x", metrics=metrics)
        self.assertEqual(self.repo.best("accuracy"), "net@2")
        self.assertEqual(self.repo.best("accuracy", better="min"), "net@1")
        self.assertEqual(self.repo.best("accuracy", where="accuracy < 0.85"), "net@3")
        self.assertEqual(self.repo.best("val_loss"), "net@1")
        with self.assertRaises(dlv.DlvError) as caught:
            self.repo.best("swish")
        self.assertEqual(caught.exception.code, "DLV_USAGE")
        self.assertEqual(self.repo.best("swish", better="max"), "net@2")
        self.repo.run("commit", "--allow-empty", "-m", "declared", "--metric", "swish=0.95", "--metric", "swish:min")
        self.assertEqual(self.repo.best("swish", where="number = 4"), "net@4")
        with self.assertRaises(dlv.DlvError):
            self.repo.best("not_there")


if __name__ == "__main__":
    unittest.main()
