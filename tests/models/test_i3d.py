import keras
import numpy as np
import pytest
from scipy.ndimage import maximum_filter
from scipy.signal import correlate

from keras_skeleton.models.i3d import EPSILON, TRUNK, blocks, i3d


def same_padding(size, window, stride):
    """TensorFlow's: zeros that make ceil(size / stride) windows, the odd one at the end."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def test_the_published_numbers_of_parameters():
    assert i3d().count_params() == 12_704_544
    assert i3d(channels=2).count_params() == 12_682_592
    assert i3d(top=False).count_params() == 12_294_544


@pytest.mark.slow
@pytest.mark.parametrize(
    ("frames", "size", "shape"),
    [(64, 224, (8, 7, 7)), (79, 224, (10, 7, 7)), (20, 64, (3, 2, 2)), (1, 33, (1, 2, 2))],
)
def test_frames_and_pixels_are_halved_as_tensorflow_pads(frames, size, shape):
    model = i3d(frames=frames, size=size, top=False)
    assert model.output.shape == (None, *shape, 1024)
    assert i3d(7, frames, size).output.shape == (None, 7)


def test_endpoints_and_the_rest_are_the_whole():
    whole = i3d(frames=8, size=32, top=False)
    for until in ("Mixed_5b", "MaxPool2d_5a_2x2", "Mixed_3b"):
        first = i3d(frames=8, size=32, top=False, until=until)
        x = keras.Input(first.output.shape[1:])
        rest = keras.Model(x, blocks(x, after=until))
        names = [layer.name for layer in (*first.layers, *rest.layers[1:])]
        assert sorted(names) == sorted(layer.name for layer in whole.layers)
        assert rest.output.shape == whole.output.shape
    assert list(TRUNK)[-1] == "Mixed_5c"


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="size=16: I3D needs at least 1 frame of 32 x 32"):
        i3d(size=16)
    with pytest.raises(ValueError, match="until='Mixed_6a' is unknown"):
        i3d(top=False, until="Mixed_6a")


def test_a_unit_step_by_step():
    """The first convolution, its normalization and the pooling behind, by NumPy and scipy."""
    keras.utils.set_random_seed(0)
    model = i3d(frames=6, size=33, top=False)
    rng = np.random.default_rng(0)
    conv, norm = model.get_layer("Conv3d_1a_7x7_conv"), model.get_layer("Conv3d_1a_7x7_bn")
    beta, mean = rng.normal(size=(2, 64)).astype("float32")
    variance = rng.uniform(0.5, 2, 64).astype("float32")
    norm.set_weights([beta, mean, variance])
    x = rng.normal(size=(6, 33, 33, 3)).astype("float32")
    seen = keras.Model(
        model.input,
        [model.get_layer("Conv3d_1a_7x7").output, model.get_layer("MaxPool2d_2a_3x3").output],
    )
    unit, pooled = (np.asarray(v)[0] for v in seen(x[None]))

    kernel = np.asarray(conv.kernel)
    filled = np.pad(x, [*[same_padding(n, 7, 2) for n in x.shape[:3]], (0, 0)])
    channels = [0, 31, 63]
    expected = np.stack(
        [correlate(filled, kernel[..., k], mode="valid")[::2, ::2, ::2, 0] for k in channels], -1
    )
    expected = (expected - mean[channels]) / np.sqrt(variance[channels] + EPSILON)
    expected = np.maximum(expected + beta[channels], 0)
    assert unit.shape == (3, 17, 17, 64)
    np.testing.assert_allclose(unit[..., channels], expected, atol=1e-4)

    before, _ = same_padding(17, 3, 2)
    windows = maximum_filter(unit, (1, 3, 3, 1), mode="constant")  # centred; unit is >= 0
    start = 1 - before
    np.testing.assert_allclose(pooled, windows[:, start::2, start::2], atol=0)


def test_the_branches_of_a_block_stand_side_by_side():
    model = i3d(frames=4, size=32, top=False)
    names = ["Conv3d_5c_0a_1x1", "Conv3d_5c_1b_3x3", "Conv3d_5c_2b_3x3", "Conv3d_5c_3b_1x1"]
    outputs = [*(model.get_layer(n).output for n in names), model.output]
    x = np.random.default_rng(0).normal(size=(1, 4, 32, 32, 3)).astype("float32")
    *branches, block = (np.asarray(v) for v in keras.Model(model.input, outputs)(x))
    assert [b.shape[-1] for b in branches] == [384, 384, 128, 128]
    np.testing.assert_array_equal(np.concatenate(branches, -1), block)


def test_the_classifier_is_a_mean_over_time():
    model = i3d(5, frames=24, size=64)
    x = np.random.default_rng(0).normal(size=(2, 24, 64, 64, 3)).astype("float32")
    outputs = [model.get_layer("Mixed_5c").output, model.output]
    features, logits = (np.asarray(v) for v in keras.Model(model.input, outputs)(x))
    kernel, bias = model.get_layer("Conv3d_6a_1x1_conv").get_weights()
    pairs = (features[:, 1:] + features[:, :-1]).mean(axis=(2, 3)) / 2
    np.testing.assert_allclose(logits, (pairs @ kernel[0, 0, 0] + bias).mean(axis=1), atol=1e-5)
