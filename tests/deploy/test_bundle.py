"""Functions copied into one source do what they did, without this package."""

import sys
import textwrap
from functools import partial

import numpy as np
import pytest

from keras_skeleton.deploy.bundle import BundleError, bundle, run_bundle
from keras_skeleton.models.registry import own_module
from keras_skeleton.transforms.coordinates import COORDINATES, check_coordinates
from keras_skeleton.transforms.image import mans_image
from keras_skeleton.transforms.smooth import savitzky_golay
from keras_skeleton.transforms.time import pad_time, resize


@pytest.fixture
def alone(monkeypatch):
    """Runs a source where this package cannot be imported."""

    def run(source):
        with monkeypatch.context() as blocked:
            for name in [n for n in sys.modules if n.partition(".")[0] == "keras_skeleton"]:
                blocked.setitem(sys.modules, name, None)
            return run_bundle(source)

    return run


@pytest.fixture
def own(tmp_path):
    """`own(text)`: a user's file as a module."""

    def load(text):
        path = tmp_path / f"own{len([*tmp_path.iterdir()])}.py"
        path.write_text(textwrap.dedent(text))
        return own_module(f"{path}:build")

    return load


def test_functions_bring_what_they_use_and_nothing_else(alone):
    source = bundle([pad_time])
    copied = alone(source)
    for size in (3, 20):
        x = np.random.default_rng(0).normal(size=(8, 2))
        np.testing.assert_array_equal(copied.pad_time(x, size), pad_time(x, size))
    defined = {name for name, value in vars(copied).items() if callable(value)}
    assert defined == {"pad_time", "pad_centred", "subsample_time"}
    assert ">>>" not in source
    assert "keras_skeleton." not in source.replace("# From keras_skeleton.transforms.time", "")


def test_constants_and_classes_are_followed(alone):
    copied = alone(bundle([check_coordinates]))
    assert [*copied.COORDINATES] == [*COORDINATES]
    skeleton = copied.get_skeleton("kinect_v1")
    clip = np.random.default_rng(0).normal(size=(6, 2, 20, 3))
    for name in COORDINATES:
        ours = check_coordinates(name)(clip, "kinect_v1") if name != "camera" else clip
        np.testing.assert_array_equal(copied.check_coordinates(name)(clip, skeleton), ours)


def test_what_imports_another_package_itself_refuses_when_it_is_called(alone, own):
    module = own(
        """
        def savgol(x):
            from scipy.signal import savgol_filter
            return savgol_filter(x, 5, 2, axis=0)
        def go(x, smooth=False):
            return savgol(x) if smooth else 2 * x
        """
    )
    source = bundle([module.go])
    assert "import" not in source[source.index("def savgol") :]
    copied, x = alone(source), np.arange(6.0)
    np.testing.assert_array_equal(copied.go(x), module.go(x))
    np.testing.assert_allclose(module.go(x, smooth=True), x, atol=1e-9)
    with pytest.raises(RuntimeError, match=r"savgol.*scipy"):
        copied.go(x, smooth=True)


def test_smoothing_is_copied(alone):
    clip = np.random.default_rng(0).normal(size=(9, 2, 20, 3))
    clip[6, 0] = 0
    copied = alone(bundle([savitzky_golay]))
    np.testing.assert_array_equal(copied.savitzky_golay(clip), savitzky_golay(clip))


def test_names_can_be_bound_to_other_values(own, alone):
    module = own(
        """
        def wish(x):
            raise NotImplementedError
        FACTOR = 2
        def go(x):
            return FACTOR * wish(x)
        """
    )
    name = module.__name__
    copied = alone(bundle([module.go], {f"{name}.wish": resize, f"{name}.FACTOR": 5}))
    x = np.arange(3.0)
    with pytest.raises(TypeError):
        copied.go(x)  # `resize` takes a size, too
    copied = alone(bundle([module.go], {f"{name}.wish": np_double, f"{name}.FACTOR": 5}))
    np.testing.assert_array_equal(copied.go(x), 10 * x)
    with pytest.raises(BundleError, match="nothing"):
        bundle([module.go], {f"{name}.nothing": 1})


def np_double(x):
    return x * 2


def test_files_of_users_use_the_package_under_other_names(own, alone):
    module = own(
        """
        from __future__ import annotations
        import math
        from typing import TYPE_CHECKING, Callable
        import numpy as numbers
        import keras
        from keras_skeleton.transforms.geometry import present as there
        from keras_skeleton import transforms
        from keras_skeleton.transforms import pad_time

        # Meters in a foot.
        FOOT, INCH = 0.3048, 0.0254

        class Scale:
            by = INCH * 12
            def __call__(self, x: numbers.ndarray) -> numbers.ndarray:
                return x * self.by

        if TYPE_CHECKING:
            from somewhere import Clip

        def outer():
            def inner(clip: Clip, frames: int = 4, net: keras.Model | Callable | None = None):
                pad = Scale()(pad_time(clip, frames))
                return numbers.where(there(pad)[..., None, None], pad, math.pi)
            return inner

        def closed(number):
            def inner(clip):
                return clip * number
            return inner
        """
    )
    clip = np.random.default_rng(0).normal(size=(3, 1, 2, 3))
    source = bundle([module.outer()])
    np.testing.assert_array_equal(alone(source).inner(clip), module.outer()(clip))
    assert "# Meters in a foot." in source
    assert "import keras" not in source
    with pytest.raises(BundleError, match="number"):
        bundle([module.closed(2)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import scipy\ndef go(x):\n    return scipy.fft.fft(x)", "scipy"),
        ("import keras_skeleton\ndef go(x):\n    return keras_skeleton.a", "import keras_skeleton"),
        ("def go(x):\n    return unknown(x)", "'unknown'"),
        ("A = 1\nA = 2\ndef go(x):\n    return A", "'A' .*more than once"),
        ("if True:\n    A = 1\ndef go(x):\n    return A", "'A'"),
        (
            "from keras_skeleton.transforms.image import mans_image\n"
            "BODIES = 7\ndef go(x):\n    return mans_image(x) * BODIES",
            "'BODIES'",
        ),
        ("go = lambda x: x", "def"),
    ],
)
def test_what_cannot_be_copied_is_named(text, message, own):
    with pytest.raises(BundleError, match=message):
        bundle([own(text).go])


def test_only_functions_can_be_copied():
    with pytest.raises(BundleError):
        bundle([partial(mans_image, size=50)])
