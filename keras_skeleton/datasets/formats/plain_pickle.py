"""Reads pickles of plain data and NumPy arrays without unpickling.

`pickle.Unpickler` executes code from a file. Even with a restrictive `find_class`, nine bytes can
allocate a gigabyte (a large memo index), and 300 bytes can run for hours (the hash of nested
tuples). Therefore nothing is unpickled here: `pickletools` splits the file into opcodes, and `load`
interprets the few that plain data needs. Names in the file are never imported or called.

Supported are protocols 2 to 5 with None, booleans, numbers, strings, bytes, tuples, lists, dicts
(also `OrderedDict` and `defaultdict(list)`) whose keys are strings or integers below a million, and
of NumPy 1 and 2 arrays and scalars of booleans, integers and floats, text, and rows of text. Arrays
are views of bytes in the file; a shape that does not match their number raises an error. Scalars
become Python numbers and strings, rows of text lists of strings, and all dicts plain ones.
"""

from __future__ import annotations

import math
import mmap
import pickletools
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MAX_BYTES = 16 * 2**30  # the whole file is loaded into memory
MAX_OPCODES = 10_000_000  # the 114,000 clips of NTU RGB+D 120 take about five million
# Of one to three bytes in the file, each takes 60 to 230 bytes of memory: lists, dicts, tuples, and
# what is remembered to be used again.
MAX_OBJECTS = 4_000_000
NUMBERS = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split())
TEXT = re.compile("U[0-9]{1,6}")
MAX_KEY = 1_000_000  # large integers may be chosen so that a dict of them takes hours


class PickleError(ValueError):
    """The file is not a pickle, is damaged, or contains more than plain data."""


def load(path: str | Path) -> Any:
    """Loads the data of a file; its arrays are read-only.

    Raises:
        PickleError: The file is damaged or contains more than plain data; the message states the
            file and the byte.
        OSError: The file cannot be opened.
    """
    path = Path(path)
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        raise PickleError(f"{path}: {size} bytes long, expected 1 to {MAX_BYTES}")
    # A memory map returns no more bytes than it has, whatever size an opcode claims.
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of pickletools about names, of NumPy about comparisons
        machine = _Machine(size)
        after: int | None = 0
        try:
            opcodes = pickletools.genops(content)  # type: ignore[arg-type]
            for count, (opcode, argument, position) in enumerate(opcodes):
                after = position
                if count > MAX_OPCODES:
                    raise PickleError(f"has more than {MAX_OPCODES} opcodes")
                machine.follow(opcode.name, argument)
            return machine.result
        except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
            why = str(error) if isinstance(error, PickleError) else f"is damaged ({error!s:.200})"
            raise PickleError(f"{path}: byte {after}: {why}") from None


# The names allowed in GLOBAL and STACK_GLOBAL, and their meanings.
_NAMES = {
    ("numpy", "dtype"): "dtype",
    ("numpy", "ndarray"): "ndarray",
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy.core.multiarray", "scalar"): "scalar",
    ("numpy._core.multiarray", "scalar"): "scalar",
    ("numpy.core.numeric", "_frombuffer"): "buffer",
    ("numpy._core.numeric", "_frombuffer"): "buffer",
    ("_codecs", "encode"): "encode",  # protocol 2 writes bytes as a string to encode
    ("__builtin__", "bytes"): "no bytes",
    ("collections", "OrderedDict"): "ordered dict",
    ("collections", "defaultdict"): "dict of lists",
    ("builtins", "list"): "list",
    ("__builtin__", "list"): "list",
}
_MAKE = frozenset(
    "EMPTY_LIST EMPTY_DICT TUPLE TUPLE1 TUPLE2 TUPLE3 MEMOIZE BINPUT LONG_BINPUT REDUCE".split()
)
_REMEDY = "write it as lists, dicts, text, numbers and arrays"


class _Name:
    """A name from `_NAMES` on the stack."""

    def __init__(self, meaning: str) -> None:
        self.meaning = meaning


class _Unfinished:
    """An array, or with `code` a data type, before its BUILD opcode."""

    def __init__(self, code: str | None = None) -> None:
        self.code = code
        self.memos: list[int] = []  # memo indices that must get the finished object


class _Machine:
    """The stack and the memo on which opcodes operate."""

    def __init__(self, size: int) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []  # length of the stack at each mark
        self.memo: dict[int, Any] = {}
        self.result: Any = None
        self.left_to_make = MAX_OBJECTS
        # Repeated conversion of one string would fill the memory.
        self.left_to_encode = self.left_to_decode = size
        push = self.stack.append
        self.steps: dict[str, Callable[[Any], object]] = {
            "PROTO": lambda version: None,
            "FRAME": lambda size: None,
            "MARK": lambda _: self.marks.append(len(self.stack)),
            "NONE": lambda _: push(None),
            "NEWTRUE": lambda _: push(True),
            "NEWFALSE": lambda _: push(False),
            "EMPTY_TUPLE": lambda _: push(()),
            "EMPTY_LIST": lambda _: push([]),
            "EMPTY_DICT": lambda _: push({}),
            "TUPLE1": lambda _: push(tuple(self.pop(1))),
            "TUPLE2": lambda _: push(tuple(self.pop(2))),
            "TUPLE3": lambda _: push(tuple(self.pop(3))),
            "TUPLE": lambda _: push(tuple(self.pop_mark())),
            "APPEND": lambda _: self.extend(self.pop(1)),
            "APPENDS": lambda _: self.extend(self.pop_mark()),
            "SETITEM": lambda _: self.update(self.pop(2)),
            "SETITEMS": lambda _: self.update(self.pop_mark()),
            "MEMOIZE": lambda _: self.put(len(self.memo)),
            "GLOBAL": lambda text: self.name(*text.split(" ", 1)),
            "STACK_GLOBAL": lambda _: self.name(*self.pop(2)),
            "REDUCE": lambda _: push(self.call(*self.pop(2))),
            "BUILD": lambda _: self.build(*self.pop(2)),
            "STOP": lambda _: self.stop(),
        }
        for name in ("BINPUT", "LONG_BINPUT"):
            self.steps[name] = self.put
        for name in ("BINGET", "LONG_BINGET"):
            self.steps[name] = lambda index: push(self.memo[index])
        for name in (
            "BININT",
            "BININT1",
            "BININT2",
            "LONG1",
            "BINFLOAT",
            "SHORT_BINUNICODE",
            "BINUNICODE",
            "BINUNICODE8",
            "SHORT_BINBYTES",
            "BINBYTES",
            "BINBYTES8",
            "BYTEARRAY8",
        ):
            self.steps[name] = push

    def follow(self, opcode: str, argument: Any) -> None:
        step = self.steps.get(opcode)
        if step is None:
            raise PickleError(f"contains more than plain data (opcode {opcode}); {_REMEDY}")
        if opcode in _MAKE:
            self.left_to_make -= 1
            if self.left_to_make < 0:
                raise PickleError(f"has more than {MAX_OBJECTS:,} lists, dicts and tuples")
        step(argument)

    def pop(self, count: int) -> list[Any]:
        """Pops the last `count` values, which must all be above the last mark."""
        if len(self.stack) - count < (self.marks[-1] if self.marks else 0):
            raise PickleError("is damaged (an opcode without its values)")
        return self.cut(len(self.stack) - count)

    def pop_mark(self) -> list[Any]:
        """Pops the values above the last mark."""
        return self.cut(self.marks.pop())

    def cut(self, start: int) -> list[Any]:
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise PickleError("is damaged (an item without a list)")
        self.stack[-1].extend(values)

    def update(self, values: list[Any]) -> None:
        keys = values[::2]
        if type(self.stack[-1]) is not dict or len(values) % 2:
            raise PickleError("is damaged (an item without a dict)")
        # Check the types first, because hashing a nested tuple may take forever.
        if not all(type(k) is str or (type(k) is int and abs(k) < MAX_KEY) for k in keys):
            raise PickleError(
                f"contains a dict whose keys are neither text nor integers below {MAX_KEY:,}"
            )
        self.stack[-1].update(zip(keys, values[1::2], strict=True))

    def put(self, index: int) -> None:
        value = self.memo[index] = self.stack[-1]
        if isinstance(value, _Unfinished):
            value.memos.append(index)

    def name(self, module: Any, name: Any) -> None:
        # Check the types first, because hashing a nested tuple may take forever.
        if type(module) is not str or type(name) is not str or (module, name) not in _NAMES:
            what = f"{module}.{name}" if type(module) is type(name) is str else "?"
            raise PickleError(
                f"refers to {what!a:.80}, which is neither plain data nor an array; {_REMEDY}"
            )
        self.stack.append(_Name(_NAMES[module, name]))

    def stop(self) -> None:
        (self.result,) = self.stack

    def call(self, name: Any, arguments: Any) -> Any:
        """REDUCE: the result of a call of the name with these arguments."""
        match name.meaning if isinstance(name, _Name) else None, arguments:
            case "array", (_Name(meaning="ndarray"), tuple(), bytes()):
                return _Unfinished()
            case "dtype", (str(code), *_):
                return _Unfinished(code)
            case "scalar", (np.dtype() as kind, bytes(data)):
                value = self.array(data, kind, (), False)
                return value.item() if isinstance(value, np.ndarray) else value
            case "buffer", (bytes() | bytearray() as data, np.dtype() as kind, shape, str(order)):
                return self.array(data, kind, shape, order == "F")
            case "ordered dict", ():
                return {}
            case "dict of lists", (_Name(meaning="list"),):
                return {}
            case "encode", (str(text), "latin1"):
                self.left_to_encode -= len(text)
                if self.left_to_encode < 0:
                    raise PickleError("unpacks to more data than the file contains")
                return text.encode("latin1")
            case "no bytes", ():
                return b""
        raise PickleError("contains a call that does not build an array")

    def build(self, unfinished: Any, state: Any) -> None:
        """BUILD: completes an array or a data type, on the stack and in the memo."""
        finished: Any
        match unfinished, state:
            case _Unfinished(code=None), (1, shape, np.dtype() as kind, order, bytes(data)):
                finished = self.array(data, kind, shape, bool(order))
            case _Unfinished(code=str(code)), (3, str(order), None, None, None, *_):
                finished = _dtype(code, order)
            case _Unfinished(code=str(code)), _:
                raise PickleError(f"contains an array of type {code!a:.20} with fields")
            case _Unfinished(code=None), (1, _, _, _, list()):
                raise PickleError(f"contains an array of Python objects; {_REMEDY}")
            case _:
                raise PickleError("sets the state of an object that is not an array")
        self.stack.append(finished)
        for index in unfinished.memos:
            if self.memo[index] is unfinished:
                self.memo[index] = finished

    def array(self, data: bytes | bytearray, kind: np.dtype, shape: Any, fortran: bool) -> Any:
        """An array of numbers, a string, or a list of strings for a row of text."""
        if kind.kind != "U":
            return _array(data, kind, shape, fortran)
        self.left_to_decode -= len(data)
        if self.left_to_decode < 0:
            raise PickleError("unpacks to more data than the file contains")
        if type(shape) is not tuple or len(shape) > 1 or (shape and not kind.itemsize):
            raise PickleError("contains text in an array of more than one axis; write it as lists")
        if not kind.itemsize:
            return ""
        values = _array(data, kind, shape, fortran)
        if (np.frombuffer(data, f"{kind.byteorder}u4") > sys.maxunicode).any():
            raise PickleError("is damaged (text with invalid characters)")
        return values.tolist()


def _dtype(code: str, order: str) -> np.dtype:
    if (code not in NUMBERS and not TEXT.fullmatch(code)) or order not in tuple("<>|="):
        what = "of Python objects" if code.startswith("O") else f"of type {code!a:.20}"
        raise PickleError(f"contains an array {what}; only numbers and text are supported")
    return np.dtype(order + code)


def _array(data: bytes | bytearray, kind: np.dtype, shape: Any, fortran: bool) -> np.ndarray:
    if (
        type(shape) is not tuple
        or len(shape) > 32
        or not all(type(n) is int and n >= 0 for n in shape)
    ):
        raise PickleError("contains an array with an invalid shape")
    if math.prod(shape) * kind.itemsize != len(data):
        raise PickleError(
            f"contains an array of shape {shape!s:.60} and type {kind} in {len(data)} bytes"
        )
    values = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    values.flags.writeable = False
    return values
