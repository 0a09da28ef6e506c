import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.film.rows_on_disk import RowsOnDisk


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6)), max_size=10),
    st.integers(0, 30),
    st.sampled_from([(), (3,), (2, 4)]),
    st.sampled_from([np.float32, np.int32, np.uint8]),
)
def test_equals_an_array(tmp_path_factory, writes, length, shape, dtype):
    path = tmp_path_factory.mktemp("rows") / "rows"
    rows, expected = RowsOnDisk(path, shape, dtype), np.zeros((30, *shape), dtype)
    for number, (first, count) in enumerate(writes):
        values = np.full((count, *shape), number + 1)
        rows.write(first, values)
        expected[first : first + count] = values
    found = rows.read(length)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected[:length])


def test_rows_of_another_shape_are_refused(tmp_path):
    rows = RowsOnDisk(tmp_path / "rows", (3,), np.float32)
    for wrong in (np.zeros((2, 4)), np.zeros(3), np.zeros((1, 3, 1))):
        with pytest.raises(ValueError, match="shape"):
            rows.write(0, wrong)
    assert len(rows.read(0)) == 0


def test_what_was_read_cannot_be_written_to(tmp_path):
    rows = RowsOnDisk(tmp_path / "rows", (2,), np.float32)
    rows.write(0, np.ones((4, 2)))
    found = rows.read(4)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 5
    with pytest.raises(ValueError, match="closed"):
        rows.write(0, np.ones((1, 2)))


def test_rows_without_numbers(tmp_path):
    rows = RowsOnDisk(tmp_path / "rows", (0,), np.float32)
    rows.write(2, np.zeros((1, 0)))
    assert rows.read(5).shape == (5, 0)


def test_rows_lie_on_disk(tmp_path):
    rows = RowsOnDisk(tmp_path / "rows", (100,), np.float64)
    rows.write(999, np.ones((1, 100)))
    found = rows.read(1000)
    assert (tmp_path / "rows").stat().st_size == 1000 * 100 * 8
    assert isinstance(found, np.memmap)
    assert found.sum() == 100
