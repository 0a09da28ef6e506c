"""Temperature, distance and thresholds, each against another way to compute it."""

import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score

from keras_skeleton.evaluation.calibration import (
    KEPT,
    TEMPERATURES,
    Calibration,
    auroc,
    fit_calibration,
    fit_temperature,
    read_calibration,
)
from keras_skeleton.evaluation.scores import ResultsError
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import FileError


def clips(n=200, D=5, classes=4, seed=0, scale=1.0):
    """Features (n, D), labels (n,) and logits (n, classes)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = np.random.default_rng(9).normal(0, 2, (classes, D))
    mix = np.random.default_rng(8).normal(size=(D, D))
    features = scale * (centres[labels] + rng.normal(size=(n, D)) @ mix)
    logits = 3 * np.eye(classes)[labels] + rng.normal(0, 2, (n, classes))
    return features, labels, logits


def fitted(**changes):
    features, labels, _ = clips(**changes)
    return fit_calibration((features, labels), clips(seed=1, n=80, **changes), "logits")


def doubt(logits, labels, temperature):
    """Cross-entropy of "the predicted class is right" with Platt's targets, clip by clip."""
    right = [int(row.argmax()) == truth for row, truth in zip(logits, labels, strict=True)]
    n, m = sum(right), len(right) - sum(right)
    total = 0.0
    for row, hit in zip(logits / temperature, right, strict=True):
        p = min(1 / np.exp(row - row.max()).sum(), 1 - 1e-12)
        target = (n + 1) / (n + 2) if hit else 1 / (m + 2)
        total -= target * np.log(p) + (1 - target) * np.log(1 - p)
    return total / len(right)


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_the_temperature_is_the_best_of_a_grid(factor):
    _, labels, logits = clips(n=60)
    found = fit_temperature(factor * logits, labels)
    grid = np.exp(np.linspace(*np.log(TEMPERATURES), 400))
    losses = [doubt(factor * logits, labels, t) for t in grid]
    best = int(np.argmin(losses))
    assert 0 < best < len(grid) - 1
    assert grid[best - 1] < found < grid[best + 1]
    assert doubt(factor * logits, labels, found) <= min(losses) + 1e-9


def test_the_temperature_scales_with_the_logits():
    _, labels, logits = clips()
    one = fit_temperature(logits, labels)
    assert fit_temperature(4 * logits, labels) == pytest.approx(4 * one, rel=1e-3)


@pytest.mark.parametrize("gain", [1e-6, 1.0, 1e6])
def test_the_temperature_stays_within_its_limits(gain):
    labels = np.arange(12) % 3
    for logits in (gain * np.eye(3)[labels], gain * np.eye(3)[(labels + 1) % 3]):
        low, high = TEMPERATURES
        assert low <= fit_temperature(logits, labels) <= high


def test_a_perfect_network_keeps_a_doubt():
    labels = np.arange(10) % 2
    logits = 3 * np.eye(2)[labels]
    temperature = fit_temperature(logits, labels)
    p = Calibration(temperature, 0, 1, "", np.eye(1), np.zeros((2, 1)), 10).probabilities(logits)
    assert p.max(axis=1) == pytest.approx(11 / 12, abs=1e-4)  # Platt's target for 10 clips


def test_two_classes_and_one_clip():
    assert TEMPERATURES[0] <= fit_temperature([[1.0, 0.0]], [0]) <= TEMPERATURES[1]


def test_probabilities_sum_to_one_and_keep_the_order():
    _, _, logits = clips(n=9)
    p = fitted().probabilities(logits)
    assert p.dtype == np.float64
    np.testing.assert_allclose(p.sum(axis=-1), 1)
    np.testing.assert_array_equal(p.argsort(axis=-1), logits.argsort(axis=-1))
    np.testing.assert_allclose(fitted().probabilities(logits[0]), p[0])


def test_the_distance_is_that_of_mahalanobis_to_the_nearest_class():
    features, labels, _ = clips()
    calibration = fitted()
    centres = np.stack([features[labels == c].mean(axis=0) for c in range(4)])
    covariance, _ = ledoit_wolf(features - centres[labels], assume_centered=True)
    inverse = np.linalg.inv(covariance)
    new = clips(n=20, seed=5, scale=1.7)[0]
    wanted = [min(mahalanobis(x, c, inverse) for c in centres) for x in new]
    np.testing.assert_allclose(calibration.distances(new), wanted, rtol=1e-9)
    assert calibration.distances(new[:0]).shape == (0,)


def test_features_of_a_class_centre_have_no_distance():
    features, labels, _ = clips()
    centre = features[labels == 2].mean(axis=0, keepdims=True)
    assert fitted().distances(centre) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_distances_hardly_depend_on_a_linear_map_of_the_features(seed):
    """Exactly with the covariance itself, up to the shrinkage with Ledoit and Wolf's."""
    rng = np.random.default_rng(seed)
    A, shift = np.eye(5) + 0.2 * rng.normal(size=(5, 5)), rng.normal(size=5)
    features, labels, _ = clips(n=20_000)
    new = clips(n=50, seed=3)
    one = fit_calibration((features, labels), new, "x")
    other = fit_calibration((features @ A + shift, labels), (new[0] @ A + shift, *new[1:]), "x")
    ours, theirs = one.distances(new[0]), other.distances(new[0] @ A + shift)
    np.testing.assert_allclose(theirs, ours, rtol=0.03)
    assert other.max_distance == pytest.approx(one.max_distance, rel=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_distances_do_not_depend_on_rotation_shift_and_unit(seed):
    """The target of the shrinkage is a multiple of the identity."""
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    features, labels, _ = clips()
    new = clips(n=50, seed=3)
    one = fit_calibration((features, labels), new, "x")

    def moved(x):
        return 1000 * x @ Q + 7

    other = fit_calibration((moved(features), labels), (moved(new[0]), *new[1:]), "x")
    np.testing.assert_allclose(other.distances(moved(new[0])), one.distances(new[0]), rtol=1e-6)


def test_thresholds_leave_the_sure_clips():
    calibration = fitted()
    held = clips(n=80, seed=1)
    p = calibration.probabilities(held[2]).max(axis=1)
    d = calibration.distances(held[0])
    assert np.mean(p >= calibration.min_probability) == pytest.approx(KEPT, abs=1 / 80)
    assert np.mean(d <= calibration.max_distance) == pytest.approx(KEPT, abs=1 / 80)
    assert calibration.clips == 80
    unsure = [calibration.unsure(a, b) for a, b in zip(p, d, strict=True)]
    assert 0 < sum(unsure) <= 2 * round((1 - KEPT) * 80)
    assert not calibration.unsure(calibration.min_probability, calibration.max_distance)


def test_constant_features_make_no_difference():
    features, labels, logits = clips()
    new, _, _ = clips(n=30, seed=4)

    def wide(x):
        return np.concatenate([x, np.full((len(x), 2), 3.0)], axis=1)

    one = fit_calibration((features, labels), (features, labels, logits), "x")
    other = fit_calibration((wide(features), labels), (wide(features), labels, logits), "x")
    assert np.isfinite(other.whitening).all()
    order = np.corrcoef(one.distances(new), other.distances(wide(new)))[0, 1]
    assert order > 0.99


def test_features_that_are_all_constant(tmp_path):
    features, labels = np.ones((8, 3)), np.arange(8) % 2
    calibration = fit_calibration((features, labels), (features, labels, np.eye(2)[labels]), "x")
    assert calibration.distances(features) == pytest.approx(0)
    assert np.isfinite(calibration.distances(features + 1)).all()
    calibration.save(tmp_path / "c.npz")
    assert Calibration.load(tmp_path / "c.npz").distances(features) == pytest.approx(0, abs=1e-3)


def test_one_clip_a_class():
    """No scatter within classes: every other clip is far away, and nothing is infinite."""
    features, labels, logits = np.diag([1.0, 2.0, 3.0]), np.arange(3), np.eye(3)
    calibration = fit_calibration((features, labels), (features, labels, logits), "x")
    assert calibration.distances(features) == pytest.approx(0)
    far = calibration.distances(features + 0.1)
    assert np.isfinite(far).all()
    assert (far > calibration.max_distance).all()


def test_one_clip_at_all():
    one = (np.ones((1, 3)), np.array([1]))
    calibration = fit_calibration(one, (*one, np.eye(2)[[1]]), "x")
    assert calibration.distances(np.ones((1, 3))) == pytest.approx(0)


def test_a_class_without_training_clips():
    features, labels, logits = clips()
    own = labels != 2
    calibration = fit_calibration((features[own], labels[own]), (features, labels, logits), "x")
    assert np.isnan(calibration.centres[2]).all()
    assert not np.isnan(np.delete(calibration.centres, 2, axis=0)).any()
    distances = calibration.distances(features)
    assert np.isfinite(distances).all()
    assert distances[labels == 2].mean() > distances[own].mean()


@pytest.mark.parametrize("lacking", ["train", "validation"])
def test_clips_are_needed(lacking):
    features, labels, logits = clips(n=8)
    n = {"train": 8, "validation": 8, lacking: 0}
    train, held = n["train"], n["validation"]
    with pytest.raises(ValueError, match="training and validation"):
        fit_calibration(
            (features[:train], labels[:train]), (features[:held], labels[:held], logits[:held]), "x"
        )


def test_saved_and_loaded_it_says_the_same(tmp_path):
    features, labels, _ = clips()
    own = labels != 1
    calibration = fit_calibration((features[own], labels[own]), clips(n=40, seed=2), "scores")
    path = tmp_path / "any name.bin"
    calibration.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["any name.bin"]
    again = Calibration.load(path)
    for name in ("temperature", "min_probability", "max_distance", "layer", "clips"):
        assert getattr(again, name) == getattr(calibration, name)
        assert type(getattr(again, name)) is type(getattr(calibration, name))
    np.testing.assert_allclose(
        again.distances(features), calibration.distances(features), rtol=1e-5
    )
    before = path.read_bytes()
    calibration.save(path)
    assert path.read_bytes() == before  # the zoo's checksum of an unchanged calibration
    json.dumps([again.temperature, again.clips, *again.distances(features)])


def arrays_of(calibration, path):
    calibration.save(path)
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("thresholds", np.array([0.0, 0.5, 1.0])),
        ("thresholds", np.array([-1.0, 0.5, 1.0])),
        ("thresholds", np.array([np.nan, 0.5, 1.0])),
        ("thresholds", np.array([1.0, 0.5, np.inf])),
        ("thresholds", np.array([1.0, 0.5])),
        ("thresholds", np.array(1.0)),
        ("thresholds", np.array(["a", "b", "c"])),
        ("whitening", np.eye(4)),
        ("whitening", np.full((5, 5), np.nan)),
        ("whitening", np.array("x")),
        ("centres", np.array(1.0)),
        ("centres", np.zeros(5)),
        ("centres", np.full((4, 5), np.nan)),
        ("centres", np.zeros((0, 5))),
        ("clips", np.array([1, 2])),
        ("clips", np.array([object()], dtype=object)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(key, value, tmp_path):
    path = tmp_path / "calibration.npz"
    arrays = arrays_of(fitted(), path)
    np.savez(path, **{**arrays, key: value})
    with pytest.raises(ResultsError, match=r"calibration\.npz"):
        Calibration.load(path)


@pytest.mark.parametrize("key", ["thresholds", "layer", "whitening", "centres", "clips"])
def test_a_lost_array_is_named(key, tmp_path):
    path = tmp_path / "calibration.npz"
    arrays = arrays_of(fitted(), path)
    del arrays[key]
    np.savez(path, **arrays)
    with pytest.raises(ResultsError, match=key):
        Calibration.load(path)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "calibration.npz"
    fitted().save(path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "half": whole[:middle],
        "empty": b"",
        "changed": whole[:middle] + bytes(b ^ 255 for b in whole[middle : middle + 9])
        + whole[middle + 9 :],
        "text": b"not a zip archive",
    }  # fmt: skip
    for content in damaged.values():
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"calibration\.npz"):
            Calibration.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thresholds.npy", "no array")
    with pytest.raises(UserError, match=r"calibration\.npz"):
        Calibration.load(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"one\.npy"):
        Calibration.load(tmp_path / "one.npy")


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    from keras_skeleton.evaluation import calibration as module

    path = tmp_path / "calibration.npz"
    fitted().save(path)
    monkeypatch.setattr(module, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(FileError):
        Calibration.load(path)


def test_no_file_is_no_calibration(tmp_path):
    assert read_calibration(tmp_path / "calibration.npz") is None
    with pytest.raises(FileNotFoundError):
        Calibration.load(tmp_path / "calibration.npz")


scores = st.lists(st.integers(-5, 5).map(float) | st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(scores, scores)
def test_auroc_is_that_of_sklearn(known, unknown):
    truth = np.repeat([0, 1], [len(known), len(unknown)])
    wanted = roc_auc_score(truth, [*known, *unknown])
    assert auroc(known, unknown) == pytest.approx(wanted)
    assert auroc(unknown, known) == pytest.approx(1 - wanted)
