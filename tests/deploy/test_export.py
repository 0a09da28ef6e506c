import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_skeleton.deploy import export
from keras_skeleton.deploy.export import ExportError, check_exported, export_model, load_exported
from keras_skeleton.models.head import leaf_layers
from keras_skeleton.models.mans import mans
from keras_skeleton.models.registry import build_model
from keras_skeleton.models.sta_lstm import sta_lstm
from keras_skeleton.utils.errors import UnknownNameError, UserError

FORMATS = ("saved_model", "litert")


def shaken(model, seed=0):
    """Weights that tell layers apart: no bias is 0, no moving variance 1."""
    rng = np.random.default_rng(seed)
    for v in model.weights:
        if v.path.endswith("moving_variance"):
            v.assign(rng.uniform(0.5, 1.5, v.shape))
        elif v.path.endswith(("bias", "beta", "moving_mean")):
            v.assign(v + rng.normal(0, 0.1, v.shape))
    return model


def clips(model, B, T=None, seed=0):
    """A batch of the model's inputs; where T is free, clips of different lengths."""
    rng = np.random.default_rng(seed)

    def one(x):
        free = x.shape[1] is None
        batch = rng.normal(size=(B, T if free else x.shape[1], *x.shape[2:])).astype("float32")
        for i in range(B if free else 0):
            batch[i, max(1, T - 1 - 3 * i) :] = 0
        return batch

    return keras.tree.map_structure(one, model.input)


def with_masks():
    return sta_lstm("sta_lstm", joints=6, classes=5, main_layers=1, units=6)


def sampled():
    return build_model("csta_cnn", "kinect_v1", classes=4)


def features():
    """The dict of four inputs, from pooled features of the streams on."""
    return build_model(
        "pose_i3d", "kinect_v1", 4, 8, steps=3, size=32, units=4, width=0.1, features=True
    )


def image():
    return mans("mans9", classes=4, frames=12)


SLOW = [pytest.param(build, marks=pytest.mark.slow) for build in (image, sampled, features)]


@pytest.mark.parametrize("build", [with_masks, *SLOW])
def test_an_exported_network_gives_the_same_logits(build, tmp_path):
    keras.utils.set_random_seed(0)
    model = shaken(build())
    batches = [clips(model, 1, T=5), clips(model, 3, T=8, seed=1)]  # B and T are free
    assert np.ptp(model(batches[1], training=False), axis=0).min() > 1e-3  # clips count
    for format in FORMATS:
        path = export_model(model, tmp_path / f"network{export.SUFFIXES[format]}", format)
        agreement = check_exported(model, path, format, batches)
        assert agreement.clips == agreement.same == 4
        assert agreement.difference < 1e-5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["network", "network.tflite"]


@pytest.mark.slow
def test_padding_does_not_count_in_the_file_either(tmp_path):
    keras.utils.set_random_seed(0)
    model = shaken(sta_lstm("lstm", 6, 5, spatial=False, temporal=False, main_layers=1, units=4))
    for format in FORMATS:
        path = export_model(model, tmp_path / format, format)
        exported = load_exported(path, format)
        assert exported.inputs == {"skeleton": (None, None, 6, 3)}
        x = clips(model, 2, T=8)
        x[:, 5:] = 0
        np.testing.assert_allclose(exported(x), model(x[:, :5]), atol=1e-5)
        np.testing.assert_array_equal(exported(x), exported(x))  # no dropout
        assert np.abs(exported(x) - exported(x[:, :4])).max() > 1e-3


def test_stand_ins_pool_and_attend_as_the_layers_do():
    keras.utils.set_random_seed(0)
    video = keras.Input((5, 7, 9, 3), name="video")
    x = layers.MaxPooling3D(3, strides=1, padding="same")(video)
    x = layers.MaxPooling3D((1, 3, 3), (1, 2, 2), padding="same")(x)
    inner = keras.Model(video, x, name="inner")
    outer = keras.Input((5, 7, 9, 3), name="video")
    x = layers.Conv3D(4, 1, name="conv")(inner(outer))
    x = layers.AveragePooling3D((2, 3, 2), strides=1, padding="same")(x)
    x = layers.AveragePooling3D((2, 4, 5), strides=1)(x)
    model = shaken(keras.Model({"video": outer}, layers.Flatten()(x)))
    copied = export._with_stand_ins(model)
    kinds = {type(layer) for layer in leaf_layers(copied)}
    assert not kinds & set(export.STAND_INS)
    batch = clips(model, 2)
    np.testing.assert_allclose(copied(batch), model(batch), atol=1e-6)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 2, 4, 3)).astype("float32")
    for axes, shape in {"btmv": (2, 5, 2, 4), "bmv": (2, 2, 4), "bmt": (2, 2, 5)}.items():
        attention = rng.normal(size=shape).astype("float32")
        wanted = export.Attend(axes)(x, attention)
        np.testing.assert_array_equal(export.STAND_INS[export.Attend](axes)(x, attention), wanted)


def test_pooling_of_videos_needs_no_tensorflow_operation(tmp_path):
    video = keras.Input((4, 6, 6, 2), name="video")
    x = layers.MaxPooling3D(3, strides=2, padding="same")(video)
    x = layers.Flatten()(layers.AveragePooling3D((2, 3, 3))(layers.Conv3D(3, 1)(x)))
    model = keras.Model(video, x)
    path = export_model(model, tmp_path / "m.tflite", "litert")
    assert check_exported(model, path, "litert", [clips(model, 2)]).difference < 1e-5


def tiny(layer=None):
    x = keras.Input((3,), name="skeleton")
    return keras.Model(x, (layer or layers.Dense(2))(x), name="tiny")


@keras.saving.register_keras_serializable("tests")
class Determinant(layers.Layer):
    def call(self, inputs):
        return keras.ops.slogdet(inputs[:, :, None] * inputs[:, None])[1][:, None]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1)


def test_what_a_format_cannot_hold_is_said_and_leaves_nothing(tmp_path, capfd):
    with pytest.raises(ExportError, match="litert .*'tiny'.*Determ"):
        export_model(tiny(Determinant()), tmp_path / "m.tflite", "litert")
    assert [*tmp_path.iterdir()] == []
    assert capfd.readouterr().err == ""


def test_what_is_there_is_not_overwritten(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_text("mine")
    with pytest.raises(ExportError, match=r"model\.tflite: "):
        export_model(tiny(), path, "litert")
    assert path.read_text() == "mine"


def test_unknown_formats_suggest_the_nearest(tmp_path):
    for call in (
        lambda: export_model(tiny(), tmp_path / "m", "litret"),
        lambda: load_exported(tmp_path / "m", "litret"),
    ):
        with pytest.raises(UnknownNameError, match="'litert'"):
            call()


def test_two_outputs_are_refused(tmp_path):
    x = keras.Input((3,))
    with pytest.raises(ExportError, match="2 outputs"):
        export_model(keras.Model(x, [x, layers.Dense(2)(x)]), tmp_path / "m")


@pytest.mark.parametrize("format", FORMATS)
def test_bad_files_and_batches_are_named(format, tmp_path):
    path = tmp_path / f"m{export.SUFFIXES[format]}"
    with pytest.raises(ExportError, match=f"{path}: "):
        load_exported(path, format)
    if format == "litert":
        path.write_text("something else")
    else:
        path.mkdir()
    with pytest.raises(ExportError, match=f"{path}.*{format}"):
        load_exported(path, format)
    exported = load_exported(export_model(tiny(), tmp_path / f"x{path.suffix}", format), format)
    with pytest.raises(ExportError, match=r"'skeleton' .*\(B, 3\), .*\(2, 4\)"):
        exported(np.zeros((2, 4)))
    with pytest.raises(ExportError, match="skeleton.*video"):
        exported({"video": np.zeros((2, 3))})


def test_onnx_says_what_to_install(tmp_path, monkeypatch):
    for name in ("tf2onnx", "onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match="pip install tf2onnx onnx"):
        export_model(tiny(), tmp_path / "m.onnx", "onnx")
    (tmp_path / "m.onnx").touch()
    with pytest.raises(UserError, match="pip install onnxruntime"):
        load_exported(tmp_path / "m.onnx", "onnx")


@pytest.mark.slow
@pytest.mark.parametrize("build", [with_masks, SLOW[2]])
def test_onnx_gives_the_same_logits(build, tmp_path):
    for package in ("tf2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    keras.utils.set_random_seed(0)
    model = shaken(build())
    path = export_model(model, tmp_path / "m.onnx", "onnx")
    agreement = check_exported(model, path, "onnx", [clips(model, 1, 9), clips(model, 3, 14)])
    assert agreement.same == 4
    assert agreement.difference < 1e-5
    with pytest.raises(ExportError, match="onnx .*'tiny'"):
        export_model(tiny(Determinant()), tmp_path / "t.onnx", "onnx")
    assert [*tmp_path.iterdir()] == [path]


def test_other_backends_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ExportError, match="KERAS_BACKEND=tensorflow"):
        export_model(tiny(), tmp_path / "m")
