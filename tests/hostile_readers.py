"""Readers as the package calls them, each with a path only; see `limited.py`.

Imports are inside, so that a child imports what it needs.
"""


def crops(path):
    from keras_skeleton.video.crops import open_crops

    open_crops(path.parent)


def layout(path):
    from keras_skeleton.datasets.formats.skeleton_toml import read_layout

    read_layout(path.parent)


def state(path):
    from keras_skeleton.training.state import TrainingState

    TrainingState.latest(path, most=8 << 20)


def run(path):
    from keras_skeleton.evaluation.report import read_experiment

    read_experiment(path.parent)


def history(path):
    from keras_skeleton.evaluation.report import read_history

    read_history(path)


def manifest(path):
    from keras_skeleton.datasets.store import read_manifest

    read_manifest(path.parent)


def annotations(path):
    from keras_skeleton.datasets.pyskl import read_annotations

    read_annotations(path)


def mat(path):
    """As the reader of SYSU 3D reports a file with --strict."""
    from keras_skeleton.datasets.dataset import ReadReport
    from keras_skeleton.datasets.sysu3d import MatFileError, read_clip
    from keras_skeleton.utils.files import reason

    try:
        read_clip(path)
    except (MatFileError, OSError) as error:
        ReadReport(strict=True).skip(path, reason(error))


def film(path):
    from keras_skeleton.video.reading import read_video

    read_video(path, size=224, most=5)


def h5_values(path):
    import h5py

    from keras_skeleton.checkpoints.h5_values import read_values
    from keras_skeleton.utils.errors import UserError

    try:
        with h5py.File(path) as file:
            read_values(file["d/d/kernel:0"])
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def h5_names(path):
    import h5py

    from keras_skeleton.checkpoints.h5_values import read_names
    from keras_skeleton.utils.errors import UserError

    try:
        with h5py.File(path) as file:
            read_names(file, "layer_names")
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def weights(path):
    """The whole way, with a network."""
    import keras

    from keras_skeleton.checkpoints.weights import load_weights

    load_weights(keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, name="d")]), path)


def part_videos(path):
    from keras_skeleton.training.part_inputs import Videos
    from keras_skeleton.video.crops import Crops

    root = path.parent.parent
    Videos(Crops(root, 224, {path.stem: 5})).frames("left_hand", path.stem, 2, None, "segments")


def clip(path):
    from keras_skeleton.datasets.formats.clip_file import ClipError, read_array
    from keras_skeleton.utils.errors import UserError

    try:
        read_array(path)
    except ClipError as error:  # callers add the file
        raise UserError(f"{path}: {error}") from None


def scores(path):
    from keras_skeleton.evaluation.scores import read_scores

    read_scores(path)


def elan(path):
    from keras_skeleton.datasets.formats.eaf import read_eaf

    read_eaf(path)


def intervals(path):
    from keras_skeleton.datasets.formats.annotation_table import read_annotation_table

    read_annotation_table(path)
