"""Names that do not exist, with the nearest one."""

import pytest

from keras_skeleton.utils.errors import UnknownNameError


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("ntuu", ["sbu", "ntu"], "'ntu'?"),
        ("SBU", ["sbu", "ntu"], "'sbu'?"),
        ("sbu", ["SBU"], "'SBU'?"),
    ],
)
def test_the_nearest_name(name, known, near):
    assert f"mean {near}" in str(UnknownNameError("dataset", name, known))


def test_no_name_is_known():
    assert "Known" not in str(UnknownNameError("recipe", "default", []))
