"""What is hidden during an import, and what is left as it was."""

import gc
import importlib
import sys

import pytest

from keras_skeleton.utils.packages import hidden_packages, no_collection


def test_hidden_packages_cannot_be_imported_until_the_end():
    sys.modules.pop("wave", None)
    with hidden_packages("wave", "json"):
        with pytest.raises(ImportError):
            importlib.import_module("wave")
        assert importlib.import_module("json")  # imported before
    assert importlib.import_module("wave")


def test_packages_reappear_after_an_error():
    sys.modules.pop("wave", None)
    with pytest.raises(KeyError), hidden_packages("wave"):
        raise KeyError
    assert importlib.import_module("wave")


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collection_is_as_before(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        with no_collection():
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
    finally:
        gc.enable()
        gc.unfreeze()
