"""The examples of docs/python.md and of the package's README, run in order, as a reader would."""

from __future__ import annotations

import contextlib
import io
import os
import re
import unittest

from base import RepositoryCase, need

HERE = os.path.dirname(os.path.abspath(__file__))
PAGES = ("../README.md", "../../../docs/python.md", "../../../README.md")


@need("numpy")
class Docs(RepositoryCase):
    def setUp(self) -> None:
        super().setUp()
        os.mkdir("work")
        os.chdir("work")

    def run_page(self, page: str) -> None:
        with open(os.path.join(HERE, page), encoding="utf-8") as file:
            text = file.read()
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
        self.assertGreater(len(blocks), 0)
        for block in blocks:
            wanted = []
            for said in re.findall(r"# prints (.*)$", block, re.M):
                wanted += said.split(", then ")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block, page, "exec"), {"__name__": "example"})
            self.assertEqual(out.getvalue().splitlines(), wanted, block)

    def test_the_readme(self) -> None:
        self.run_page(PAGES[0])

    def test_the_readme_of_the_project(self) -> None:
        import numpy

        import dlv

        if not os.path.exists(os.path.join(HERE, PAGES[2])):
            self.skipTest("the project's README is not beside the package")
        self.repo.commit({"w": numpy.zeros(3)}, message="one", metrics={"eval_loss": 0.5})
        self.repo.commit({"w": numpy.ones(3)}, message="two", metrics={"eval_loss": 0.7})
        self.run_page(PAGES[2])
        dlv.wait()
        self.assertEqual(len(self.repo.log()), 3)

    def test_the_page(self) -> None:
        path = os.path.join(HERE, PAGES[1])
        if not os.path.exists(path):
            self.skipTest("docs/python.md is not beside the package")
        self.run_page(PAGES[1])


if __name__ == "__main__":
    unittest.main()
