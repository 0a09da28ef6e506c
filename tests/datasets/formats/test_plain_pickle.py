import datetime
import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict, defaultdict
from contextlib import suppress
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from keras_skeleton.datasets.formats.plain_pickle import PickleError, _Name, load


@pytest.fixture
def put(tmp_path):
    """Writes an object, or bytes as they are, and gives the path."""

    def write(content, protocol=4):
        path = tmp_path / "x.pkl"
        if not isinstance(content, bytes):
            content = pickle.dumps(content, protocol)
        path.write_bytes(content)
        return path

    return write


def same(a, b):
    if isinstance(b, np.ndarray) and b.dtype.kind == "U":
        same(a, [str(text) for text in b] if b.ndim else str(b))
    elif isinstance(b, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        assert not a.flags.writeable
    elif isinstance(b, np.generic):
        assert type(a) in (int, float, bool, str)
        assert a == b
    elif isinstance(b, dict):
        assert type(a) is dict
        assert list(a) == list(b)
        for key in b:
            same(a[key], b[key])
    elif isinstance(b, list | tuple):
        assert type(a) is type(b)
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert type(a) is type(b)
        assert a == b


SHARED = np.arange(3.0)
PLAIN = {
    "none": None,
    "truth": [True, False],
    "numbers": (0, -1, 255, 65536, 2**31, -(2**40), 2**200, 1.5, -0.0),
    "text": ["", "abc", "\u00e9\u4e2d", "x" * 300],
    "bytes": [b"\x00\xff" * 200],
    "nested": [[[]], {}, (), ((),), {"a": {"b": (1, (2, (3, [4])))}}],
    "many": list(range(3000)),
    "scalars": [np.int64(-5), np.float16(0.5), np.uint8(200), np.bool_(True), np.float64(1e300)],
    "float16": np.linspace(-3, 3, 1 * 7 * 25 * 3).astype(np.float16).reshape(1, 7, 25, 3),
    "float32": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "big endian": np.arange(5, dtype=">f8"),
    "columns first": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "a part": np.arange(100)[10:50:3],
    "bool": np.array([True, False]),
    "empty": [np.zeros((0, 3)), np.zeros((2, 0, 5), np.int8)],
    "no axes": np.array(3.0),
    "twice": [SHARED, SHARED],
    "NumPy's text": [
        np.str_("abc"),
        np.str_(""),
        np.str_("\u00e9\u4e2d\U0001f600"),
        np.str_("a b"),
    ],
    "rows of text": [
        np.array(["a", "bcd", ""]),
        np.array([], "U3"),
        np.array("x"),
        np.array(["y"]),
    ],
    "text of the other end": np.array(["a", "bc"], ">U2"),
    "ordered": OrderedDict(b=1, a=OrderedDict()),
    "lists by key": defaultdict(list, a=[1], b=[np.str_("c")]),
    "integer keys": {0: "a", 7: "b", -1: "c", 999_999: "d"},
    "NumPy's keys": {np.str_("a"): 1, np.int64(3): 2},
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data_come_back(put, protocol):
    found = load(put(PLAIN, protocol))
    same(found, PLAIN)
    assert found["twice"][0] is found["twice"][1]


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_files_of_older_numpy(put, protocol):
    """NumPy 2 has renamed the modules that a pickle of NumPy 1 names."""
    content = {
        "a": np.arange(6.0).reshape(2, 3), "b": np.int32(7), "c": np.str_("d"),
        "e": np.ones((1, 2, 25, 3), np.float16), "f": np.array(["g", "hi"]),
    }  # fmt: skip
    data = pickle.dumps(content, protocol)
    if protocol > 2:
        data = data[:2] + data[11:]  # without FRAME, whose length would be wrong
    for module in (b"multiarray", b"numeric"):
        new, old = b"numpy._core." + module, b"numpy.core." + module
        data = data.replace(bytes([len(new)]) + new, bytes([len(old)]) + old).replace(new, old)
    assert b"_core" not in data
    same(load(put(data)), content)


class Reduced:
    """Pickles as a call."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value


LITTLE = b"(K\x03" + text(b"<") + b"NNNJ\xff\xff\xff\xffK\x00K\x00t"  # a data type's state


def array(shape, data, dtype=b"f4"):
    """An array as protocol 2 writes it, with any shape (as opcodes), bytes and type."""
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
        + b"(K\x01" + shape + b"cnumpy\ndtype\n" + text(dtype) + b"\x89\x88\x87R" + LITTLE + b"b"
        + b"\x89B" + struct.pack("<I", len(data)) + data + b"tb"
    )  # fmt: skip


def opcodes(body):
    return b"\x80\x03" + body + b"."


def billion_tuples(levels=60):
    """Each tuple holds the one before twice: as a key of a dict its hash takes 2**levels steps,
    each of them that of the name in the first."""
    pairs = [bytes([*b"h", i, *b"h", i, *b"\x86q", i + 1]) for i in range(levels)]
    return b"cnumpy\ndtype\nq\x00" + b"".join(pairs)


def test_the_hand_written_array_is_right(put):
    found = load(put(opcodes(array(b"K\x02K\x03\x86", np.arange(6, dtype="<f4").tobytes()))))
    same(found, np.arange(6, dtype="<f4").reshape(2, 3))


HOSTILE = {
    "a command": (Reduced(os.system, ("touch marker",)), r"refers to '(posix|nt)\.system'"),
    "code": (Reduced(eval, ("open('marker', 'w')",)), r"refers to '(__builtin__|builtins)\.eval'"),
    "an import": (Reduced(__import__, ("marker",)), r"\.__import__'"),
    "NumPy's own unpickler": (Reduced(np.load, ("marker",)), "refers to 'numpy.load'"),
    "deep in an array's place": (
        {"annotations": [{"keypoint": [Reduced(os.system, ("touch marker",))]}]},
        r"refers to '(posix|nt)\.system'",
    ),
    "objects in an array": (np.array([{"a": 1}, None], object), "array of Python objects"),
    "a command in an array": (
        np.array([Reduced(os.system, ("touch marker",))], object),
        "Python objects|names",
    ),
    "fields": (np.zeros(2, [("a", "f4")]), "array of type 'V4' with fields"),
    "dates": (np.zeros(2, "M8[s]"), "array of type 'M8'"),
    "bytes in an array": (np.array([b"abc"]), "array of type 'S3'"),
    "a table of text": (np.array([["abc"]]), "more than one axis"),
    "text that is no text": (
        opcodes(array(b"K\x01\x85", b"\xff\xff\xff\x7f", b"U1")), "damaged",
    ),
    "text of no length": (opcodes(array(b"J\xff\xff\xff\x7f\x85", b"", b"U0")), "one axis"),
    "the same text again and again": (
        opcodes(
            b"cnumpy._core.multiarray\nscalar\nq\x00cnumpy\ndtype\n" + text(b"U20000")
            + b"\x89\x88\x87R" + LITTLE + b"bq\x01B" + struct.pack("<I", 80_000)
            + b"a\0\0\0" * 20_000 + b"q\x02" + b"h\x00h\x01h\x02\x86R" * 20_000
        ),
        "unpacks to more data",
    ),
    "a dict of anything": (defaultdict(dict), "refers to '(__builtin__|builtins).dict'"),
    "an ordered dict of calls": (Reduced(OrderedDict, ([("a", 1)],)), "does not build an array"),
    "a list that is called": (opcodes(b"cbuiltins\nlist\n)R"), "does not build an array"),
    "complex": (np.zeros(2, complex), "array of type 'c16'"),
    "another array class": (np.ma.masked_array([1, 2]), "neither plain data nor an array"),
    "a set": ({1, 2}, "more than plain data|names"),
    "a date": (datetime.date(2020, 1, 1), "refers to 'datetime.date'"),
    "a decimal": (Decimal(1), "refers to 'decimal.Decimal'"),
    "a class": (Decimal, "refers to 'decimal.Decimal'"),
    "other keys": ({1.5: 2}, "keys are neither text nor integers"),
    "keys that are tuples": ({(1, 2): 2}, "keys are neither text nor integers"),
    "keys that are names": (opcodes(b"}cnumpy\ndtype\nNs"), "keys are neither text nor integers"),
    "keys chosen to collide": (
        {k * (2**61 - 1): 0 for k in range(1, 2000)}, "keys are neither text nor integers",
    ),
    "a huge shape": (
        opcodes(array(b"\x8a\x06\0\0\0\0\0\x01K\x04\x86", b"0" * 16)), "in 16 bytes",
    ),
    "a shape that is no tuple": (opcodes(array(b"]", b"")), "invalid shape"),
    "a shape with text": (opcodes(array(text(b"a") + b"\x85", b"0000")), "invalid shape"),
    "a negative shape": (
        opcodes(array(b"J\xff\xff\xff\xffJ\xfc\xff\xff\xff\x86", b"0" * 16)), "invalid shape",
    ),
    "zero times infinity": (
        opcodes(array(b"K\x00\x8a\x09" + b"\0" * 8 + b"\x01\x86", b"")), "damaged",
    ),
    "too many axes": (opcodes(array(b"(" + b"K\x01" * 99 + b"t", b"0000")), "invalid shape"),
    "the wrong bytes": (opcodes(array(b"K\x02\x85", b"0000")), "in 4 bytes"),
    "an object type": (opcodes(array(b"K\x01\x85", b"0" * 8, b"O8")), "array of Python objects"),
    "a huge memo index": (opcodes(b"Nr\xff\xff\xff\x7f"), None),
    "a huge string": (opcodes(b"B\xff\xff\xff\x7f"), "damaged"),
    "a longer string": (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f", "damaged"),
    "a huge frame": (b"\x80\x04\x95" + b"\xff" * 7 + b"\x7fN.", None),
    "a key with an endless hash": (opcodes(billion_tuples() + b"}h\x3cNs"), "keys are neither"),
    "a name with an endless hash": (opcodes(billion_tuples() + b"\x8c\x01a\x93"), "refers to"),
    "the same string again and again": (
        opcodes(
            b"c_codecs\nencode\nq\x00" + text(b"a" * 100_000) + b"q\x01"
            + text(b"latin1") + b"q\x02" + b"h\x00h\x01h\x02\x86R" * 20_000
        ),
        "unpacks to more data",
    ),
    "another encoding": (Reduced(__import__("codecs").encode, ("a", "rot13")), "build an array"),
    "a state for a list": (opcodes(b"]}b"), "sets the state"),
    "a state for a name": (opcodes(b"cnumpy\ndtype\n}b"), "sets the state"),
    "a call of a string": (opcodes(text(b"a") + b")R"), "does not build an array"),
    "a call of an array": (opcodes(b"cnumpy\nndarray\n)R"), "does not build an array"),
    "a new object": (opcodes(b"cnumpy\nndarray\n)\x81"), "more than plain data"),
    "a persistent id": (opcodes(b"Pmarker\n"), "more than plain data"),
    "an extension": (opcodes(b"\x82\x01"), "more than plain data"),
    "an old protocol": (pickle.dumps([1], 0), "more than plain data"),
    "an item of nothing": (opcodes(b"Na"), "damaged"),
    "items of nothing": (opcodes(b"(Nu"), "damaged"),
    "an odd number of items": (opcodes(b"}(Nu"), "damaged"),
    "a value from nowhere": (opcodes(b"h\x07"), "damaged"),
    "two results": (opcodes(b"NN"), "damaged"),
    "no result": (opcodes(b""), "damaged"),
    "no end": (b"\x80\x04]", "damaged"),
    "no pickle": (b"hello, world", "byte 0"),
    "nothing": (b"", "0 bytes long"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "why"), HOSTILE.values(), ids=HOSTILE)
def test_all_else_is_refused_at_once(put, tmp_path, monkeypatch, content, why):
    """In a sentence, without running anything, filling the memory or taking an endless hash."""

    def taken(name):
        raise AssertionError("the hash of what a file holds")

    monkeypatch.setattr(_Name, "__hash__", taken)
    monkeypatch.chdir(tmp_path)
    path = put(content)
    size = path.stat().st_size
    tracemalloc.start()
    try:
        if why is None:  # harmless here: no memory is taken because a file says so
            assert load(path) is None
        else:
            with pytest.raises(PickleError, match=why) as refused:
                load(path)
            assert str(path) in str(refused.value)
            assert len(str(refused.value)) < len(str(path)) + 300
            assert "\n" not in str(refused.value)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000 + 30 * size
    finally:
        tracemalloc.stop()
    assert [p.name for p in tmp_path.iterdir()] == ["x.pkl"]


def test_nesting_is_no_danger(put):
    depth = 100_000
    found = load(put(opcodes(b"]" * depth + b"a" * (depth - 1))))
    assert len(found) == 1


VALID = [
    pickle.dumps({"a": [1, "b", np.arange(3.0), (np.int64(2), np.str_("cd"))]}, p)
    for p in (2, 4, 5)
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    start=st.sampled_from([b"\x80\x04", *VALID]),
    place=st.integers(0, 400),
    change=st.binary(max_size=30),
    end=st.binary(max_size=20),
)
@example(start=VALID[0], place=0, change=b"", end=b"")
def test_any_bytes_are_read_or_refused(tmp_path, start, place, change, end):
    path = tmp_path / "x.pkl"
    path.write_bytes(start[:place] + change + start[place + len(change) :] + end)
    with suppress(PickleError):
        load(path)
