"""Tensors as bytes: safetensors files, NumPy arrays and torch tensors. Nothing is evaluated, no pickle is read."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import sys
import tempfile
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union

from .errors import DlvError

HEADER_BYTES_MAX = 100_000_000

# Bytes of an element, NumPy's name and torch's. NumPy has no bfloat16 and no 8-bit floats: there they are their bits.
_DTYPES: Mapping[str, Tuple[int, str, str]] = {
    "F64": (8, "<f8", "float64"),
    "F32": (4, "<f4", "float32"),
    "F16": (2, "<f2", "float16"),
    "BF16": (2, "<u2", "bfloat16"),
    "I64": (8, "<i8", "int64"),
    "I32": (4, "<i4", "int32"),
    "I16": (2, "<i2", "int16"),
    "I8": (1, "|i1", "int8"),
    "U64": (8, "<u8", "uint64"),
    "U32": (4, "<u4", "uint32"),
    "U16": (2, "<u2", "uint16"),
    "U8": (1, "|u1", "uint8"),
    "BOOL": (1, "|b1", "bool"),
    "C64": (8, "<c8", "complex64"),
    "C128": (16, "<c16", "complex128"),
    "F8_E4M3": (1, "|u1", "float8_e4m3fn"),
    "F8_E5M2": (1, "|u1", "float8_e5m2"),
    "F8_E4M3FNUZ": (1, "|u1", "float8_e4m3fnuz"),
    "F8_E5M2FNUZ": (1, "|u1", "float8_e5m2fnuz"),
    "F8_E8M0": (1, "|u1", "float8_e8m0fnu"),
}
# What is written for a dtype of NumPy or torch, by its name. Arrays of ml_dtypes have such names too.
# dlv reads C128 out of other files; the format of safetensors does not have it.
_WRITTEN: Dict[str, str] = {torch_name: name for name, (_, _, torch_name) in _DTYPES.items() if name != "C128"}
_COMPLEX_PARTS = {"C64": "F32", "C128": "F64"}
# Elements of floats of which leading planes alone may be known.
_PLANED = {"F64", "F32", "F16", "BF16", "C64", "C128"}

Buffer = Union[mmap.mmap, bytearray]


class Entry(NamedTuple):
    """Where a tensor is."""

    dtype: str
    shape: Tuple[int, ...]
    start: int
    end: int


class Bounds(NamedTuple):
    """The interval of each value when only leading planes are known, and the value in its middle."""

    least: Any
    greatest: Any
    middle: Any


def frameworks_module(framework: str) -> Any:
    """NumPy or torch. Raises where it is not installed."""
    if framework not in ("np", "numpy", "torch"):
        raise DlvError("DLV_USAGE", f"framework is {framework!r}", hint="it is 'np' or 'torch'")
    name = "torch" if framework == "torch" else "numpy"
    try:
        return __import__(name)
    except ImportError as error:
        other = "np" if name == "torch" else "torch"
        raise DlvError(
            "DLV_NOT_INSTALLED",
            f"{name} is not installed",
            hint=f"'pip install {name}', or ask for framework='{other}'",
        ) from error


def read_header(buffer: Buffer) -> Tuple[Dict[str, Entry], Dict[str, str]]:
    """Tensors of a safetensors file, every length checked, and its metadata."""
    size = len(buffer)
    length = int.from_bytes(buffer[:8], "little") if size >= 8 else -1
    if not 2 <= length <= min(HEADER_BYTES_MAX, size - 8):
        raise DlvError("DLV_CORRUPT", f"a safetensors file of {size} bytes has a header of {length}")
    try:
        header = json.loads(bytes(buffer[8 : 8 + length]))
        metadata = header.pop("__metadata__", None) or {}
        rows = [
            (name, Entry(str(e["dtype"]), tuple(int(n) for n in e["shape"]), *map(int, e["data_offsets"])))
            for name, e in header.items()
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DlvError("DLV_CORRUPT", f"the header of a safetensors file is not one: {error}") from error
    entries: Dict[str, Entry] = {}
    data = 8 + length
    for name, entry in rows:
        start, end = data + entry.start, data + entry.end
        if not data <= start <= end <= size:
            raise DlvError("DLV_CORRUPT", f"tensor {name!r} is not within its file")
        entries[name] = entry._replace(start=start, end=end)
        check_size(name, entries[name])
    return entries, metadata


# Headers of files that dlv left for us, which are never written again: the same version is loaded more than once.
_headers: Dict[Tuple[str, int, int, int], Tuple[Dict[str, Entry], Dict[str, str]]] = {}
_HEADERS_MAX = 16


def header_of(path: str, buffer: Buffer) -> Tuple[Dict[str, Entry], Dict[str, str]]:
    """As read_header, of a file of the cache that was mapped; remembered as long as the file is the same."""
    try:
        stat = os.stat(path)
    except OSError:
        return read_header(buffer)
    key = (path, stat.st_ino, stat.st_mtime_ns, stat.st_size)
    known = _headers.get(key)
    if known is None or len(buffer) != stat.st_size:
        known = read_header(buffer)
        if len(_headers) >= _HEADERS_MAX:
            _headers.clear()
        if len(buffer) == stat.st_size:
            _headers[key] = known
    return known


def check_size(name: str, entry: Entry) -> int:
    """The number of elements. Raises if dtype, shape and bytes do not go together."""
    known = _DTYPES.get(entry.dtype)
    if known is None:
        raise DlvError(
            "DLV_DTYPE",
            f"tensor {name!r} is {entry.dtype}, which NumPy and torch cannot hold",
            hint="Repo.read gives the bytes of the file",
        )
    count = 1
    for extent in entry.shape:
        if extent < 0:
            raise DlvError("DLV_CORRUPT", f"tensor {name!r} has the shape {entry.shape}")
        count *= extent
    if count * known[0] != entry.end - entry.start:
        raise DlvError("DLV_CORRUPT", f"tensor {name!r}: {entry.dtype} of shape {entry.shape} in {entry.end - entry.start} bytes")
    return count


def make_array(buffer: Buffer, name: str, entry: Entry, framework: str) -> Any:
    """The tensor as an array over the buffer: no copy, and the caller's to write to."""
    check_size(name, entry)
    return _array(buffer, name, entry, framework, frameworks_module(framework))


def make_arrays(buffer: Buffer, entries: Mapping[str, Entry], framework: str) -> Iterator[Tuple[str, Any]]:
    """The same of many tensors, which read_header has checked."""
    module = frameworks_module(framework)
    for name, entry in entries.items():
        yield name, _array(buffer, name, entry, framework, module)


def _array(buffer: Buffer, name: str, entry: Entry, framework: str, module: Any) -> Any:
    width, np_name, torch_name = _DTYPES[entry.dtype]
    count = (entry.end - entry.start) // width
    if framework == "torch":
        dtype = getattr(module, torch_name, None)
        if dtype is None:
            raise DlvError("DLV_DTYPE", f"tensor {name!r} is {entry.dtype}, which this torch does not know", hint="update torch")
        if count == 0:
            return module.empty(entry.shape, dtype=dtype)
        if entry.start % width != 0:
            return module.frombuffer(bytearray(buffer[entry.start : entry.end]), dtype=dtype).reshape(entry.shape)
        flat = module.frombuffer(buffer, dtype=dtype, count=count, offset=entry.start)
        return flat if len(entry.shape) == 1 else flat.view(entry.shape)
    return module.frombuffer(buffer, dtype=np_name, count=count, offset=entry.start).reshape(entry.shape)


def map_file(path: str) -> Buffer:
    """A file in memory, without reading it. What is written to the memory stays there."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return bytearray()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def bounds_of(array: Any, dtype: str, planes: int, framework: str) -> Bounds:
    """The interval of each value of which the leading planes are known; see `planes` of dlv.load."""
    width = _DTYPES[dtype][0]
    part = _COMPLEX_PARTS.get(dtype)
    part_width = width // 2 if part else width
    if dtype not in _PLANED or planes >= part_width:
        return Bounds(array, array, array)
    if dtype == "BF16" and framework != "torch":
        raise DlvError("DLV_DTYPE", "NumPy has no bfloat16, so bounds of it have no meaning there", hint="framework='torch'")
    if part:
        raise DlvError("DLV_DTYPE", f"{dtype} has no order, so there are no bounds", hint="leave bounds away")
    np_bits = {8: "int64", 4: "int32", 2: "int16"}[part_width]
    module = frameworks_module(framework)
    kind = getattr(module, np_bits)
    bits = array.view(kind)
    unknown = (1 << (8 * (part_width - planes))) - 1
    near = (bits & ~unknown).view(array.dtype)
    far = (bits | unknown).view(array.dtype)
    # All exponent bits set: the value is infinite or no number, or, where bits of the exponent are open, anything above.
    far = module.where(module.isnan(far) & ~module.isnan(near), module.full_like(far, float("inf")), far)
    far = module.where(bits < 0, -abs(far), far)
    least = module.where(bits < 0, far, near)
    greatest = module.where(bits < 0, near, far)
    return Bounds(least, greatest, array)


# --- writing ---------------------------------------------------------------------------------------


class _Written(NamedTuple):
    name: str
    dtype: str
    shape: List[int]
    size: int
    data: Any
    keeps: Any


def _torch_rows(name: str, tensor: Any) -> _Written:
    dtype = _WRITTEN.get(str(tensor.dtype).replace("torch.", ""))
    if dtype is None:
        raise DlvError("DLV_DTYPE", f"{name!r} is {tensor.dtype}, which a safetensors file cannot hold", hint="convert it, or save with torch.save")
    if tensor.layout is not sys.modules["torch"].strided:
        raise DlvError("DLV_DTYPE", f"{name!r} is sparse, which a safetensors file cannot hold", hint="save with torch.save")
    whole = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    size = whole.numel() * whole.element_size()
    data = memoryview((ctypes.c_char * size).from_address(whole.data_ptr())) if size else memoryview(b"")
    return _Written(name, dtype, list(whole.shape), size, data, whole)


def _array_rows(name: str, value: Any) -> _Written:
    np = frameworks_module("np")
    try:
        array = np.asarray(value)
    except Exception as error:
        raise DlvError("DLV_USAGE", f"{name!r} is no tensor: {error}") from error
    dtype = _WRITTEN.get(array.dtype.name)
    if dtype is None:
        raise DlvError("DLV_DTYPE", f"{name!r} is {array.dtype}, which a safetensors file cannot hold", hint="convert it to numbers first")
    shape = list(array.shape)
    array = np.ascontiguousarray(array)
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        array = array.byteswap()
    data = memoryview(array.reshape(-1).view(np.uint8)) if array.size else memoryview(b"")
    return _Written(name, dtype, shape, array.nbytes, data, array)


def _rows(tensors: Mapping[str, Any]) -> Iterator[_Written]:
    torch = sys.modules.get("torch")
    for name, value in tensors.items():
        if not isinstance(name, str):
            raise DlvError("DLV_USAGE", f"{name!r} is no name of a tensor", hint="names are texts")
        if name == "__metadata__":
            raise DlvError("DLV_USAGE", "no tensor can be called '__metadata__' in a safetensors file")
        if torch is not None and isinstance(value, torch.Tensor):
            yield _torch_rows(name, value)
        elif hasattr(value, "__array__"):
            yield _array_rows(name, value)
        else:
            raise DlvError(
                "DLV_USAGE",
                f"{name!r} is {type(value).__name__}, no tensor",
                hint="name tensors alone; the state of an optimizer goes into a file by torch.save",
            )


def write_safetensors(tensors: Mapping[str, Any], path: str, metadata: Optional[Mapping[str, str]] = None) -> int:
    """Writes a safetensors file that is there whole or not at all. The number of its bytes."""
    rows = sorted(_rows(tensors), key=lambda row: (-_DTYPES[row.dtype][0], row.name))
    header: Dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = {str(key): str(value) for key, value in metadata.items()}
    at = 0
    for row in rows:
        header[row.name] = {"dtype": row.dtype, "shape": row.shape, "data_offsets": [at, at + row.size]}
        at += row.size
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=".dlv-", suffix=".unfinished", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for row in rows:
                file.write(row.data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o666 & ~_umask())
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
        raise
    return 8 + len(text) + at


def _umask() -> int:
    """The mask of the process, without setting it: that would be seen by other threads."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except OSError:
        pass
    return 0o022
