"""Models by name, and in files of one's own."""

import keras
import pytest

from keras_skeleton.models.registry import MODELS, build_model, check_model, model_label
from keras_skeleton.models.summary import flops
from keras_skeleton.recipes.registry import DEFAULT, get_recipe
from keras_skeleton.utils.errors import UnknownNameError, UserError

OWN = """
import keras
from keras_skeleton.recipes.recipe import Recipe

def build(skeleton, classes, frames=None, bodies=2, units=4):
    x = keras.Input((frames, bodies * skeleton.size, 3), name="skeleton")
    h = keras.layers.Reshape((-1, bodies * skeleton.size * 3))(x)
    h = keras.layers.GlobalAveragePooling1D()(keras.layers.Dense(units)(h))
    return keras.Model(x, keras.layers.Dense(classes, name="logits", dtype="float32")(h))

number = 3
"""


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    name = f"{path}:build"
    assert check_model(name) == name
    assert name in MODELS
    assert name not in list(MODELS)
    assert model_label(name) == "mine_build"
    model = build_model(name, "kinect_v1", 5, bodies=1, units=8)
    assert model.output_shape == (None, 5)
    assert MODELS[name].options() == {"units": 4}
    assert MODELS[name] == MODELS[name] or MODELS[name].build is MODELS[name].build
    assert get_recipe(name, "sbu") == DEFAULT
    with path.open("a") as file:
        file.write("\nRECIPES = {('*', 'paper'): Recipe('adam', 0.1, 2, 3)}\n")
    other = tmp_path / "with_recipe.py"
    other.write_text(path.read_text())
    assert get_recipe(f"{other}:build", "sbu").epochs == 3


def test_what_is_not_there_is_named(tmp_path):
    path = tmp_path / "mine.py"
    with pytest.raises(UserError, match=r"mine\.py"):
        check_model(f"{path}:build")
    path.write_text(OWN)
    with pytest.raises(UserError, match="'make'"):
        MODELS[f"{path}:make"]
    with pytest.raises(UserError, match="'number'"):
        MODELS[f"{path}:number"]
    with pytest.raises(UnknownNameError, match="'mans9'"):
        check_model("mans")


INPUT = "keras.Input((frames, bodies * skeleton.size, 3))"
FLAT = "keras.layers.GlobalAveragePooling2D()"


@pytest.mark.parametrize(
    ("arguments", "body", "named"),
    [
        ("skeleton, classes, frames", "return None", "does not take bodies"),
        ("skeleton, classes, frames, bodies", "return None", "NoneType"),
        (
            "skeleton, classes, frames, bodies",
            "x = keras.Input((frames, bodies, skeleton.size, 3)); "
            "return keras.Model(x, keras.layers.GlobalAveragePooling3D()(x))",
            r"\(None, 7, 2, 20, 3\)",
        ),
        (
            "skeleton, classes, frames, bodies",
            f"x = {INPUT}; return keras.Model(x, keras.layers.Dense(classes + 1)({FLAT}(x)))",
            r"\(None, 6\)",
        ),
        (
            "skeleton, classes, frames, bodies",
            f"x = {INPUT}; h = {FLAT}(x); "
            "return keras.Model(x, keras.layers.Dense(classes, activation='softmax')(h))",
            "softmax",
        ),
        (
            "skeleton, classes, frames, bodies",
            f"x = {INPUT}; h = keras.layers.Dense(classes)({FLAT}(x)); "
            "return keras.Model(x, keras.layers.Softmax()(h))",
            "softmax",
        ),
    ],
)
def test_networks_that_cannot_be_trained_are_refused(tmp_path, arguments, body, named):
    path = tmp_path / "mine.py"
    path.write_text(f"import keras\n\ndef build({arguments}):\n    {body}\n")
    with pytest.raises(UserError, match=named):
        build_model(f"{path}:build", "kinect_v1", 5, 7, bodies=2)


@pytest.mark.parametrize("name", ["mine.py", "mine:build", lambda: None])
def test_how_to_name_a_network_of_ones_own(name):
    with pytest.raises(UserError, match=r"\.py:"):
        check_model(name)


def test_flops_of_a_dot_product():
    weights, values = keras.Input((7, 1)), keras.Input((7, 3))
    summed = keras.layers.Dot(axes=1)([weights, values])
    assert flops(keras.Model([weights, values], summed)) == 2 * 7 * 3
