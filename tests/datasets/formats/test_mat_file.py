import io
import struct
import tracemalloc
import zlib
from contextlib import suppress

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_skeleton.datasets.formats import mat_file
from keras_skeleton.datasets.formats.mat_file import MatFileError, read_array
from keras_skeleton.utils.files import FileError


def mat(compress=False, **variables):
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=compress)
    return file.getvalue()


@pytest.fixture
def put(tmp_path):
    def write(content):
        (tmp_path / "x.mat").write_bytes(content)
        return tmp_path / "x.mat"

    return write


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kind", ["f8", "f4"])
def test_arrays_come_back(put, compress, kind):
    values = np.random.default_rng(0).normal(size=(20, 3, 7)).astype(kind)
    path = put(mat(compress, other=np.ones(3), SW=values, more={"a": 1}))
    name, found = read_array(path, ["v", "SW"])
    assert name == "SW"
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values)


def test_the_first_name_is_preferred(put):
    path = put(mat(skel=np.zeros((2, 2)), v=np.ones((2, 2))))
    assert read_array(path, ["v", "skel"])[0] == "v"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("code", "kind"), [(2, "u1"), (3, "i2"), (6, "u4"), (9, "f8"), (7, "f4")])
def test_matlab_stores_whole_numbers_in_fewer_bytes(put, order, code, kind):
    values = np.arange(6).reshape(2, 3)
    numbers = values.astype(order + kind).tobytes("F")

    def element(number, content):
        return struct.pack(order + "II", number, len(content)) + content + bytes(-len(content) % 8)

    array = (
        element(6, struct.pack(order + "II", 6, 0))
        + element(5, struct.pack(order + "ii", *values.shape))
        + element(1, b"a longer name")
        + element(code, numbers)
    )
    mark = b"IM" if order == "<" else b"MI"
    header = b"MATLAB 5.0".ljust(124) + struct.pack(order + "H", 0x100) + mark
    _, found = read_array(put(header + element(14, array)), ["a longer name"])
    np.testing.assert_array_equal(found, values)


def bomb(megabytes):
    """A few kilobytes of zeros that unpack to that many megabytes."""
    zeros = zlib.compress(bytes(megabytes * 2**20))
    return mat()[:128] + struct.pack("<II", 15, len(zeros)) + zeros


BROKEN = {
    "nothing": (b"", "not a MATLAB 5.0"),
    "text": (b"1 2 3\n" * 100, "not a MATLAB 5.0"),
    "version 7.3": (b"MATLAB 7.3 MAT-file" + bytes(200), r"HDF5: save it with -v7"),
    "no variables": (mat(), r"has no variable 'SW', only nothing"),
    "another variable": (mat(x=np.ones(3)), r"has no variable 'SW', only x"),
    "text in it": (mat(SW="abc"), "of type char"),
    "cells": (mat(SW=np.array([1, "a"], object)), "of type cell"),
    "a struct": (mat(SW={"a": 1}), "of type struct"),
    "whole numbers": (mat(SW=np.ones((3, 3), np.int16)), "of type int16"),
    "complex numbers": (mat(SW=np.ones((3, 3)) * 1j), "of type complex double"),
    "cut off": (mat(SW=np.ones((20, 3, 9)))[:500], "damaged"),
    "cut off and compressed": (mat(True, SW=np.ones((20, 3, 9)))[:-20], "damaged"),
    "not compressed": (mat(True, SW=np.ones((20, 3, 9)))[:140] + b"abc" * 30, "damaged"),
    "a bomb": (bomb(70), "unpacks to more than"),
    "a huge shape": (
        mat(SW=np.ones((3, 3))).replace(struct.pack("<II", 3, 3), struct.pack("<II", 3, 2**30), 1),
        r"'SW' has 9 numbers for \(3, 1073741824\)",
    ),
    "a larger shape": (
        mat(SW=np.ones((3, 3))).replace(struct.pack("<II", 3, 3), struct.pack("<II", 3, 999), 1),
        r"'SW' has 9 numbers for \(3, 999\)",
    ),
}


@pytest.mark.parametrize(("content", "why"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_said(put, content, why):
    path = put(content)
    tracemalloc.start()
    try:
        with pytest.raises(MatFileError, match=why):
            read_array(path, ["SW"])
        assert tracemalloc.get_traced_memory()[1] < 3 * mat_file.MAX_BYTES
    finally:
        tracemalloc.stop()


def test_a_file_has_a_largest_size(put, monkeypatch):
    monkeypatch.setattr(mat_file, "MAX_BYTES", 1000)
    with pytest.raises(
        FileError, match=r"bytes is too large for a clip's MAT-file \(at most 1,000"
    ):
        read_array(put(mat(SW=np.ones((20, 3, 9)))), ["SW"])


VALID = [mat(c, SW=np.arange(60.0).reshape(20, 3, 1), b="x") for c in (False, True)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(VALID),
    place=st.integers(0, 700),
    change=st.binary(min_size=1, max_size=9),
)
def test_any_damage_is_found_or_harmless(tmp_path, start, place, change):
    path = tmp_path / "x.mat"
    path.write_bytes(start[:place] + change + start[place + len(change) :])
    with suppress(MatFileError):
        read_array(path, ["SW"])
