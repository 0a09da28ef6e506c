"""A file is written as a whole or stays as it was."""

import pytest

from keras_skeleton.utils.files import (
    is_part,
    remove_parts,
    write_atomic,
    write_json,
    write_text,
)


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def fail(part):
        assert part.suffix == path.suffix
        assert is_part(part)
        part.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_atomic(path, fail)
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    write_text(path, "ä")
    assert path.read_bytes() == "ä".encode()
    assert not is_part(path)


def test_what_a_killed_process_has_left_is_removed(tmp_path):
    for name in (".part-12-state.npz", "state.npz.part", "state.npz", "part.csv"):
        (tmp_path / name).touch()
    remove_parts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"state.npz", "part.csv"}
