"""The package against the real command: arrays, versions, runs, and the process behind them."""

from __future__ import annotations

import math
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import unittest
import warnings

from base import RepositoryCase, need

import dlv
from dlv import process as dlv_process
from dlv import tensors as dlv_tensors


@need("numpy")
class Arrays(RepositoryCase):
    def setUp(self) -> None:
        super().setUp()
        import numpy

        self.np = numpy
        rng = numpy.random.default_rng(1)
        self.weights = {
            "fc.weight": rng.standard_normal((64, 128)).astype("f4"),
            "fc.bias": numpy.arange(64, dtype="f8"),
            "half": rng.standard_normal((33, 7)).astype("f2"),
            "scalar": numpy.array(3.5),
            "empty": numpy.zeros((0, 4), "i8"),
            "transposed": numpy.arange(12, dtype="i4").reshape(3, 4).T,
            "big-endian": numpy.arange(5, dtype=">u4"),
            "mask": numpy.array([True, False]),
            "complex": numpy.array([1 + 2j], "c8"),
            'na"me\n\u202e/#.x': numpy.array([1, 2, 3], "u1"),
        }

    def assert_same(self, found, wanted=None) -> None:
        wanted = self.weights if wanted is None else wanted
        self.assertEqual(sorted(found), sorted(wanted))
        for name, array in wanted.items():
            self.assertEqual(found[name].shape, array.shape, name)
            self.assertTrue((found[name] == array).all(), name)

    def test_what_is_committed_is_loaded(self) -> None:
        made = dlv.commit(self.weights, message="first", step=3, metrics={"loss": 0.5})
        self.assertEqual((made.name, made.number), ("net@1", 1))
        found = dlv.load()
        self.assert_same(found)
        self.assertEqual((found.version, found.path, found.others), (made.version, "model.safetensors", []))
        self.assert_same(dlv.load("net@1", path="model.safetensors"))
        self.assert_same(dlv.load(made.version, lazy=True))
        self.assertEqual(self.left_over(), [])

    def test_arrays_are_the_callers_own(self) -> None:
        dlv.commit(self.weights, message="first")
        first, second = dlv.load(), dlv.load()
        for array in first.values():
            self.assertTrue(array.flags.writeable)
        first["fc.weight"] += 1
        self.assertTrue((second["fc.weight"] == self.weights["fc.weight"]).all())
        self.assertTrue((dlv.load()["fc.weight"] == self.weights["fc.weight"]).all())
        # What deletes the file below .dlv leaves what is mapped.
        self.repo.run("gc")
        self.assertTrue((first["fc.weight"] == self.weights["fc.weight"] + 1).all())
        self.assert_same(second)
        self.assert_same(dlv.load())

    def test_one_tensor_and_some(self) -> None:
        dlv.commit(self.weights, message="first")
        self.assertTrue((dlv.load(tensor="half") == self.weights["half"]).all())
        for name in self.weights:
            one = dlv.load(tensor=name, path="model.safetensors")
            self.assertTrue((one == self.weights[name]).all(), name)
            self.assertTrue(one.flags.writeable)
        some = dlv.load(names=["half", "mask"])
        self.assertEqual(list(some), ["half", "mask"])
        for wrong in ({"tensor": "no"}, {"names": ["no"]}, {"tensor": "no", "path": "model.safetensors"}):
            with self.assertRaises(dlv.DlvError) as caught:
                dlv.load(**wrong)
            self.assertEqual(caught.exception.code, "DLV_NOT_FOUND")

    def test_shards_are_one_checkpoint(self) -> None:
        import json

        names = sorted(self.weights)
        shards = {"a-1.safetensors": names[:4], "a-2.safetensors": names[4:]}
        for file, own in shards.items():
            dlv.save({name: self.weights[name] for name in own}, f"out/{file}")
        weight_map = {name: file for file, own in shards.items() for name in own}
        with open("out/a.safetensors.index.json", "w", encoding="utf-8") as file:
            json.dump({"weight_map": weight_map}, file)
        dlv.commit("out", message="shards")
        self.assert_same(dlv.load())
        lazy = dlv.load(lazy=True)
        self.assert_same(lazy)
        self.assertEqual(lazy.shape("half"), (33, 7))
        self.assertEqual(lazy.dtype("half"), "F16")

    def test_leading_planes_bound_every_value(self) -> None:
        rng = self.np.random.default_rng(2)
        values = {
            "F32": rng.standard_normal(5000).astype("f4"),
            "F64": rng.standard_normal(5000),
            "F16": rng.standard_normal(5000).astype("f2"),
            "ints": self.np.arange(5000),
        }
        values["F32"][:4] = [0.0, -0.0, math.inf, -math.inf]
        dlv.commit(values, message="planes")
        for planes in (1, 2, 3):
            found = dlv.load(planes=planes, bounds=True)
            for name, exact in values.items():
                least, greatest, middle = found[name]
                self.assertTrue((least <= exact).all() and (exact <= greatest).all(), (name, planes))
                self.assertTrue(((least <= middle) & (middle <= greatest)).all(), (name, planes))
            self.assertTrue((found["ints"].least == values["ints"]).all())
        self.assertLess(float(self.np.abs(found["F32"].middle[4:] - values["F32"][4:]).max()), 1e-2)
        with self.assertRaises(dlv.DlvError):
            dlv.load(bounds=True)

    def test_without_the_cache_bytes_come_through_the_pipe(self) -> None:
        self.repo.run("config", "cache.bytes", "0")
        big = {**self.weights, "large": self.np.arange(3_000_000, dtype="f4")}
        dlv.commit(big, message="first")
        self.assert_same(dlv.load(), big)
        self.assertFalse(os.path.isdir(".dlv/catalog/loaded"))

    def test_a_file_that_was_changed_in_the_cache_is_not_used(self) -> None:
        dlv.commit(self.weights, message="first")
        dlv.load()
        (name,) = [n for n in os.listdir(".dlv/catalog/loaded") if not n.endswith(".mark")]
        file = f".dlv/catalog/loaded/{name}"
        os.chmod(file, 0o600)
        with open(file, "r+b") as open_file:
            open_file.seek(-1, os.SEEK_END)
            open_file.write(b"\xff")
        self.assert_same(dlv.load())

    def repo_bytes(self, name: str) -> bytes:
        with open(name, "rb") as file:
            return file.read()

    def test_save_writes_whole_files(self) -> None:
        size = dlv.save(self.weights, "out/a.safetensors", metadata={"made by": "test"})
        self.assertEqual(os.path.getsize("out/a.safetensors"), size)
        entries, metadata = dlv_tensors.read_header(dlv_tensors.map_file("out/a.safetensors"))
        self.assertEqual(metadata, {"made by": "test"})
        self.assertEqual(sorted(entries), sorted(self.weights))
        before = self.repo_bytes("out/a.safetensors")
        for wrong in ({"a": "text"}, {"a": {"state": 1}}, {1: self.np.zeros(1)}, {"__metadata__": self.np.zeros(1)}, {"a": self.np.array(["x"])}):
            with self.assertRaises(dlv.DlvError):
                dlv.save(wrong, "out/a.safetensors")
        self.assertEqual(self.repo_bytes("out/a.safetensors"), before)
        self.assertEqual(os.listdir("out"), ["a.safetensors"])

    def test_headers_that_lie_are_refused(self) -> None:
        def file(header: bytes, data: bytes = b"") -> bytearray:
            return bytearray(struct.pack("<Q", len(header)) + header + data)

        row = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        self.assertEqual(list(dlv_tensors.read_header(file(row, b"1234"))[0]), ["a"])
        for wrong in (
            bytearray(b"1234"),
            bytearray(struct.pack("<Q", 1 << 63) + b"{}"),
            file(b"no"),
            file(b"[]"),
            file(row, b"123"),
            file(row.replace(b"[0,4]", b"[4,0]"), b"1234"),
            file(row.replace(b"[0,4]", b"[-4,0]"), b"1234"),
            file(row.replace(b"[1]", b"[2]"), b"1234"),
            file(row.replace(b"[1]", b"[-1]"), b"1234"),
            file(row.replace(b"F32", b"F99"), b"1234"),
            file(b'{"a":1}'),
        ):
            with self.assertRaises(dlv.DlvError, msg=bytes(wrong)):
                dlv_tensors.read_header(wrong)


@need("numpy")
class Runs(RepositoryCase):
    def weights(self, seed: int = 0):
        import numpy

        return {"w": numpy.full((4, 4), seed, "f4")}

    def test_a_loop_tells_of_itself(self) -> None:
        with dlv.track(model="net", params={"lr": 1e-3, "net": {"depth": 2}, "tag": "7", "none": None}) as run:
            for step in range(300):
                run.log(step=step, loss=7.0)
                run.log(step=step, loss=1 / (step + 1), odd=math.nan)  # the last one counts
            dlv.log_metrics({"accuracy": 0.9}, step=299)
            made = run.commit(self.weights(), message="first")
        shown = self.repo.show(made.name)
        self.assertEqual(shown["params"], {"lr": 0.001, "net.depth": 2, "tag": "7"})
        self.assertEqual(shown["metrics"]["accuracy"], 0.9)
        self.assertAlmostEqual(shown["metrics"]["loss"], 1 / 300)
        self.assertEqual(shown["step"], 299)
        self.assertEqual(shown["operation"]["kind"], "train")
        self.assertIn("python", shown["environment"])
        points = [(p["step"], p["value"]) for p in shown["series"] if p["name"] == "loss"]
        self.assertEqual(points, [(0, 1), (299, 1 / 300)])
        (log,) = [log for log in shown["logs"] if log["name"].endswith("metrics.jsonl")]
        self.assertGreater(log["bytes"], 300 * 10)

    def test_a_loop_is_a_run(self) -> None:
        with dlv.track(params={"lr": 1e-3}, name="first") as run:
            run.log(step=1, loss=0.5)
            run.log(step=2, loss=0.25, odd=math.inf)
            run.log(note=3)
            made = run.commit(self.weights(), step=2)
            shown = self.repo.run("run", "show", run.id)
            self.assertEqual((shown["state"], shown["pid"], shown["kind"]), ("running", os.getpid(), "track"))
            (entry,) = shown["checkpoints"]
            self.assertEqual((entry["state"], entry["version"], entry["step"]), ("committed", made.version, 2))
        shown = self.repo.run("run", "show", "first")
        self.assertEqual((shown["state"], shown["versions"], shown["params"]), ("finished", 1, {"lr": "0.001"}))
        self.assertEqual([(s["name"], s["steps"], s["values"]) for s in shown["series"] if s["name"] == "loss"], [("loss", [1, 2], [0.5, 0.25])])
        self.assertEqual({m["name"]: m["last"] for m in shown["metrics"]}, {"loss": 0.25, "odd": None, "note": 3})
        self.assertGreater(shown["peakBytes"], 1 << 20)
        self.assertTrue(shown["environment"]["python"])
        with self.assertRaises(ZeroDivisionError):
            with dlv.track():
                raise ZeroDivisionError("no")
        failed = self.repo.run("run", "list")[0]
        self.assertEqual((failed["state"], failed["versions"]), ("failed", 0))
        self.assertEqual(self.repo.run("run", "show", failed["run"])["problems"], ["ZeroDivisionError: no"])

    def test_what_a_killed_program_held_becomes_a_version(self) -> None:
        script = (
            "import dlv, os, sys, numpy\n"
            "run = dlv.track(name='killed')\n"
            "run.log(step=5, loss=0.5)\n"
            "import dlv.background as b\n"
            "b.submit(lambda on: __import__('time').sleep(60))\n"  # the worker is busy when the next ones come
            "run.commit({'w': numpy.ones(5000)}, step=5, wait=False)\n"
            "dlv.commit({'w': numpy.zeros(5)}, wait=False)\n"
            "os.kill(os.getpid(), 9)\n"
        )
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", script], env=env)
        self.assertEqual(len(self.left_over()), 1)
        (entry,) = self.repo.run("run", "list")
        self.assertEqual((entry["state"], entry["waiting"], entry["versions"]), ("crashed", 1, 0))
        # The next run sweeps up, and stores what was held.
        with dlv.track() as run:
            run.commit(self.weights(2), wait=False)
        entry = self.repo.run("run", "list")[1]
        self.assertEqual((entry["state"], entry["waiting"], entry["versions"]), ("crashed", 0, 1))
        self.assertEqual([float(x) for x in dlv.load(entry["version"])["w"][:2]], [1, 1])
        self.assertEqual(self.repo.show(entry["version"])["step"], 5)
        dlv.commit(self.weights(3), wait=False).result()
        self.assertEqual(self.left_over(), [])

    def test_the_line_stays_whatever_head_does(self) -> None:
        self.repo.commit(self.weights(), message="base")
        with dlv.track() as run:
            self.assertEqual(run.line, "net/main")
            self.repo.run("switch", "-c", "elsewhere")
            run.commit(self.weights(1), message="on main")
        self.assertEqual(self.repo.log("net/main", limit=1)[0]["message"], "on main")
        self.assertEqual(self.repo.log("net/elsewhere", limit=1)[0]["message"], "base")

    def test_branches_are_made(self) -> None:
        self.repo.commit(self.weights(), message="base")
        with dlv.track(branch="run-1") as run:
            run.commit(self.weights(1))
        self.assertEqual([v["message"] for v in self.repo.log("net/run-1")], ["commit", "base"])
        with dlv.track(model="other") as run:
            self.assertEqual(run.line, "other/main")
            run.commit(self.weights(2), message="new model")
        self.assertEqual(len(self.repo.log("other")), 1)
        self.assertEqual(self.repo.status()["head"]["model"], "net")

    def test_commits_in_the_background_hold_what_they_commit(self) -> None:
        os.makedirs("out/checkpoint-1")
        dlv.save(self.weights(1), "out/checkpoint-1/model.safetensors")
        dlv.save(self.weights(2), "single.safetensors")
        with dlv.track() as run:
            folder = run.commit("out/checkpoint-1", wait=False, message="folder")
            single = run.commit("single.safetensors", wait=False, message="single")
            state = run.commit(self.weights(3), wait=False, message="state")
            os.unlink("out/checkpoint-1/model.safetensors")
            os.rmdir("out/checkpoint-1")
            with open("single.safetensors", "r+b") as file:
                file.truncate(3)
            versions = [future.result().name for future in (folder, single, state)]
        self.assertEqual(versions, ["net@1", "net@2", "net@3"])
        self.assertEqual([float(dlv.load(name)["w"][0, 0]) for name in versions], [1, 2, 3])
        self.assertEqual([v.name for v in run.versions], versions)
        self.assertEqual(self.left_over(), [])

    def test_an_error_of_the_background_is_raised_at_the_end(self) -> None:
        with self.assertRaises(dlv.DlvError) as caught:
            with dlv.track() as run:
                run.commit(self.weights(), wait=False, parents=["no-such-version"])
                run.commit(self.weights(1), wait=False, message="the next one")
        self.assertEqual(caught.exception.code, "DLV_NOT_FOUND")
        self.assertEqual(self.repo.log(limit=1)[0]["message"], "the next one")
        # The training's own error is the one that counts.
        with self.assertRaises(ZeroDivisionError):
            with dlv.track() as run:
                run.commit(self.weights(), wait=False, parents=["no-such-version"])
                raise ZeroDivisionError
        self.assertEqual(self.left_over(), [])

    def test_pending_metrics_go_to_the_next_commit(self) -> None:
        dlv.log_metrics({"loss": 0.25}, step=7)
        with self.assertRaises(dlv.DlvError):
            dlv.commit(self.weights(), message="x", parents=["no-such-version"])
        made = dlv.commit(self.weights(), message="x")
        self.assertEqual(self.repo.show(made.name)["metrics"], {"loss": 0.25})
        self.assertEqual(self.repo.show(dlv.commit(self.weights(1)).name)["metrics"], {})
        with self.assertRaises(dlv.DlvError):
            dlv.log_metrics({"loss": "low"})

    def test_the_best_version_is_found(self) -> None:
        for loss in (0.5, 0.2, math.nan, 0.4):
            self.repo.commit(self.weights(int(loss * 100) if loss == loss else 7), message="x", metrics={"eval/loss": loss})
        self.assertEqual(self.repo.best("eval/loss"), "net@2")
        self.assertEqual(self.repo.best("eval/loss", better="max"), "net@1")
        self.assertEqual(len(self.repo.versions("metrics.`eval/loss` < 0.45")), 2)
        with self.assertRaises(dlv.DlvError):
            self.repo.best("accuracy")

    def test_files_are_added(self) -> None:
        dlv.save(self.weights(), "a.safetensors")
        with open("notes.txt", "w", encoding="utf-8") as file:
            file.write("x")
        dlv.commit(["a.safetensors", "notes.txt"], message="two files")
        self.assertEqual([f["path"] for f in self.repo.show()["files"]], ["a.safetensors", "notes.txt"])
        self.assertEqual(self.repo.read("HEAD", "notes.txt"), b"x")
        dlv.save(self.weights(1), "a.safetensors")
        dlv.commit(message="tracked files")
        self.assertEqual(len(dlv.diff("HEAD~1", "HEAD")["files"]), 1)
        dlv.commit("a.safetensors", path="weights/model.safetensors", message="one file")
        self.assertEqual([f["path"] for f in self.repo.show()["files"]], ["a.safetensors", "notes.txt", "weights/model.safetensors"])
        with self.assertRaises(dlv.DlvError):
            dlv.commit("a.safetensors", path="../out.safetensors")


class Processes(RepositoryCase):
    def pid(self) -> int:
        self.repo.status()
        child = dlv_process.process()._child
        assert child is not None
        return child.pid

    def test_one_process_answers_all_calls(self) -> None:
        self.assertEqual(self.pid(), self.pid())
        dlv.close()
        again = self.pid()
        self.assertEqual(again, self.pid())

    def test_a_process_that_was_killed_is_started_again(self) -> None:
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        self.assertNotEqual(self.pid(), pid)

    def test_one_that_is_killed_at_work_is_an_error(self) -> None:
        with open("big.bin", "wb") as file:
            file.write(os.urandom(1 << 20) * 64)
        self.pid()
        pid = self.pid()
        killer = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
        killer.start()
        try:
            self.repo.run("add", "big.bin")
        except dlv.DlvError as error:
            self.assertEqual(error.code, "DLV_PROCESS")
            self.assertIn("SIGKILL", str(error))
        killer.join()
        self.repo.run("add", "big.bin")

    def test_threads_share_it(self) -> None:
        failed = []

        def work() -> None:
            try:
                for _ in range(5):
                    assert self.repo.status()["head"]["model"] == "net"
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_forked_child_has_its_own(self) -> None:
        parent = self.pid()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if self.pid() != parent and self.repo.status()["head"]["model"] == "net" else 2
                dlv.close()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        self.assertEqual(os.WEXITSTATUS(status), 0)
        self.assertEqual(self.pid(), parent)

    def test_an_interrupted_call_leaves_it_usable(self) -> None:
        def interrupt(label: str, done: int, total: int) -> None:
            raise KeyboardInterrupt

        with open("big.bin", "wb") as file:
            file.write(os.urandom(1 << 20) * 8)
        with self.assertRaises(KeyboardInterrupt):
            self.repo.run("add", "big.bin", progress=interrupt)
        self.assertEqual(self.repo.status()["head"]["model"], "net")

    def test_the_end_of_the_program_ends_it(self) -> None:
        script = "import dlv; dlv.Repo('.').status(); from dlv import process; print(process.process()._child.pid)"
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=True)
        pid = int(ran.stdout)
        self.assertEqual(ran.stderr, "")
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)

    def test_a_background_commit_outlives_the_script(self) -> None:
        script = (
            "import dlv, numpy\n"
            "dlv.commit({'w': numpy.zeros((500, 500), 'f4')}, message='at the end', wait=False)\n"
            "dlv.commit({'w': numpy.zeros(3)}, message='fails', parents=['nope'], wait=False)\n"
        )
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
        if "No module named 'numpy'" in ran.stderr:
            self.skipTest("numpy is not installed")
        self.assertEqual(self.repo.log(limit=1)[0]["message"], "at the end")
        self.assertIn("a commit in the background failed", ran.stderr)
        self.assertEqual(self.left_over(), [])

    def test_errors_say_what_to_do(self) -> None:
        with self.assertRaises(dlv.DlvError) as caught:
            self.repo.show("no-such-version")
        error = caught.exception
        self.assertEqual(error.code, "DLV_NOT_FOUND")
        self.assertIn("no-such-version", error.message)
        self.assertTrue(error.hint)
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((again.code, str(again)), (error.code, str(error)))
        with self.assertRaises(dlv.DlvError) as caught:
            dlv.Repo("/").status()
        self.assertEqual(caught.exception.code, "DLV_NO_REPOSITORY")

    def test_warnings_name_the_callers_line(self) -> None:
        os.symlink("nowhere", "link.txt")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.repo.status()
        self.assertEqual([w.category for w in caught], [dlv.DlvWarning])
        self.assertEqual(os.path.basename(caught[0].filename), os.path.basename(__file__))

    def test_without_dlv_it_is_said_how_to_get_it(self) -> None:
        before = os.environ.get("DLV_COMMAND")
        for command, path in (("/no/such/dlv", None), ("true", None), (None, "/nowhere")):
            dlv.close()
            env = {"PATH": path or os.environ["PATH"]}
            if command is not None:
                env["DLV_COMMAND"] = command
            saved = dict(os.environ)
            os.environ.pop("DLV_COMMAND", None)
            os.environ.update(env)
            try:
                with self.assertRaises(dlv.DlvError) as caught:
                    self.repo.status()
            finally:
                os.environ.clear()
                os.environ.update(saved)
            self.assertEqual(caught.exception.code, "DLV_NOT_INSTALLED", command)
            self.assertIn("npm install", caught.exception.hint or "")
        self.assertEqual(os.environ.get("DLV_COMMAND"), before)


if __name__ == "__main__":
    unittest.main()
