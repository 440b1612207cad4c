"""Reads tensors of a dlv repository into NumPy arrays.

One file, standard library and NumPy only: copy it beside your script. It asks the `dlv` command for
safetensors bytes, so it needs `dlv` on the PATH (or the environment variable DLV, for example
"node /opt/dlv/dist/bin/dlv.cjs").

    import dlv
    weights = dlv.load("HEAD")                    # {name: array} of the weights of a version
    weights = dlv.load("bert@3", path="model.pt")  # of one file, whatever its format
    weights = dlv.load("HEAD", path="checkpoint-500")  # of a folder
    w = dlv.tensor("HEAD", "model.safetensors", "fc.weight")
    for version in dlv.log(): print(version["version"], version["message"])

Arrays are the caller's own and can be written. Where a version has several checkpoints, load takes one
that stands outside numbered folders, else that of the last step, and a warning names the others.

bfloat16 and the 8-bit floats become ml_dtypes arrays if that package is installed; otherwise bfloat16
is widened to float32 (exactly) and 8-bit floats are given as uint8 bit patterns.
"""

import json
import os
import shlex
import subprocess
import threading
import warnings

import numpy as np

_HEADER_BYTES_MAX = 100_000_000
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
    "BOOL": "?", "C64": "<c8", "C128": "<c16",
}
_EXTENDED = {
    "BF16": ("bfloat16", "<u2"), "F8_E4M3": ("float8_e4m3fn", "u1"),
    "F8_E5M2": ("float8_e5m2", "u1"), "F8_E4M3FNUZ": ("float8_e4m3fnuz", "u1"),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", "u1"), "F8_E8M0": ("float8_e8m0fnu", "u1"),
}


class DlvError(RuntimeError):
    """What the dlv command answered instead of data; `code` is its stable error code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def _command(repo):
    return shlex.split(os.environ.get("DLV", "dlv")) + ["-C", os.fspath(repo)]


def _fail(process, stderr):
    text = stderr.decode("utf-8", "replace").strip()
    raise DlvError(process.returncode, text or f"dlv ended with exit code {process.returncode}")


def _warn(stderr):
    """Passes on what dlv warned of; this calls for the frame of whoever called load or tensor."""
    for line in stderr.decode("utf-8", "replace").splitlines():
        if line.startswith("warning: "):
            warnings.warn(line[len("warning: "):], stacklevel=4)


def _fill(stream, array):
    """Reads exactly the bytes of an array into it."""
    view = memoryview(array.reshape(-1).view(np.uint8)) if array.size else memoryview(b"")
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])
        if not count:
            raise DlvError("DLV_TRUNCATED", f"dlv's answer ends {len(view) - done} bytes early")
        done += count


def _read_exactly(stream, count):
    data = np.empty(count, np.uint8)
    _fill(stream, data)
    return data.tobytes()


def _array(dtype, shape, size, stream):
    """A new array, so one that can be written, of the elements that come next."""
    name, plain = _EXTENDED.get(dtype, (None, _DTYPES.get(dtype)))
    if plain is None:
        raise DlvError("DLV_DTYPE", f"NumPy has no type for {dtype}; use dlv cat for the raw bytes")
    count = 1
    for extent in shape:
        count *= extent
    if count * np.dtype(plain).itemsize != size:
        raise DlvError("DLV_CORRUPT", f"{dtype} of shape {shape} in {size} bytes")
    bits = np.empty(shape, plain)
    _fill(stream, bits)
    if name is None:
        return bits
    try:
        import ml_dtypes
        return bits.view(getattr(ml_dtypes, name))
    except (ImportError, AttributeError):
        return (bits.astype("<u4") << 16).view("<f4") if dtype == "BF16" else bits


def _safetensors(stream):
    length = int.from_bytes(_read_exactly(stream, 8), "little")
    if length > _HEADER_BYTES_MAX:
        raise DlvError("DLV_CORRUPT", f"a header of {length} bytes")
    header = json.loads(_read_exactly(stream, length))
    header.pop("__metadata__", None)
    position = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, end = entry["data_offsets"]
        if start != position or end < start:
            raise DlvError("DLV_CORRUPT", f"tensor {name} lies at {start}, expected {position}")
        position = end
        yield name, _array(entry["dtype"], entry["shape"], end - start, stream)


def _cat(target, repo):
    """The arrays of what `dlv cat --format safetensors` writes, with its warnings."""
    command = _command(repo) + ["cat", "--format", "safetensors", target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        # Read meanwhile: a full pipe of warnings would stop dlv.
        stderr = []
        reader = threading.Thread(target=lambda: stderr.append(process.stderr.read()))
        reader.start()
        try:
            arrays, broken = dict(_safetensors(process.stdout)), None
        except DlvError as error:
            arrays, broken = {}, error
        process.stdout.close()
        reader.join()
        if process.wait() != 0:
            _fail(process, stderr[0])
    if broken is not None:
        raise broken
    _warn(stderr[0])
    return arrays


def load(rev="HEAD", repo=".", path=None):
    """The weights of a version, or the tensors of one of its files or folders, as {name: array}."""
    return _cat(rev if path is None else f"{rev}:{path}", repo)


def tensor(rev, path, name, repo="."):
    """One tensor of one file of a version."""
    return _cat(f"{rev}:{path}#{name}", repo)[name]


def log(rev="HEAD", repo="."):
    """Versions from `rev` back, newest first, as the JSON of `dlv log`."""
    command = _command(repo) + ["-q", "--json", "log", rev]
    process = subprocess.run(command, capture_output=True, check=False)
    if process.returncode != 0:
        _fail(process, process.stdout + process.stderr)
    return json.loads(process.stdout)
