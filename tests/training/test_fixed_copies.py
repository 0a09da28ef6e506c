"""CSTA-CNN's eight copies of each clip."""

import numpy as np
import pytest
from conftest import make_dataset

from keras_skeleton.layers.temporal_sampling import TemporalSampling
from keras_skeleton.recipes.registry import get_recipe, with_arguments
from keras_skeleton.training import fixed_copies
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.fixed_copies import FixedCopies, copy_rows, sampled_rows
from keras_skeleton.utils.errors import DatasetError


class Whole:
    """Clip i has the values 1 to 40 + i in its frames, and zeros behind them."""

    labels, dataset, shape = np.zeros(6, np.int32), None, (64, 1, 2, 3)

    def batch(self, indices, draw=(0, 0)):
        found = np.zeros((len(indices), *self.shape), "float32")
        for own, i in zip(found, indices, strict=True):
            own[: 40 + i] = np.arange(1, 41 + i)[:, None, None, None]
        return found


def test_rows_of_both_kinds():
    rng = np.random.default_rng(0)
    for T, most in ((100, 1), (30, 1), (20, 2), (7, 5)):
        rows = sampled_rows(T, 30, rng)
        assert (np.diff(rows) >= 0).all()
        assert len(rows) == 30
        assert np.bincount(rows).max() == most
        assert set(rows) <= set(range(T))
    for number in range(20):
        rows = copy_rows(100, 30, 2 * number + 1, (0.9, 1.0), np.random.default_rng(number))
        assert (len(rows), (np.diff(rows) > 0).all()) == (30, True)
        assert 85 <= rows[-1] - rows[0] + 1 <= 100  # 0.9 to 1 of the clip, less two half steps


def test_eight_epochs_show_eight_copies_which_come_again():
    inputs, clips = FixedCopies(Whole(), 8, 30, (0.5, 1.0)), np.array([1, 4])
    seen = [inputs.batch(clips, (5, epoch)) for epoch in range(16)]
    np.testing.assert_array_equal(seen[:8], seen[8:])
    for row in (0, 1):
        copies = {seen[epoch][row, :, 0, 0, 0].tobytes() for epoch in range(8)}
        assert len(copies) == 8
    for batch in seen:
        assert not batch[:, 30:].any()
        assert batch[:, :30].all()
    own = [inputs.batch(np.array([4]), (5, epoch))[0] for epoch in range(8)]
    np.testing.assert_array_equal([batch[1] for batch in seen[:8]], own)  # whatever the batch
    other = inputs.batch(clips, (6, 0))
    assert not any(np.array_equal(other, batch) for batch in seen)
    # Half of them are crops: evenly spaced parts.
    spread = [np.unique(np.diff(clip[:30, 0, 0, 0])).size <= 2 for clip in own]
    assert sum(spread) >= 4
    np.testing.assert_array_equal(inputs.batch(clips, (0, 1)), Whole().batch(clips))
    assert inputs.shape == (64, 1, 2, 3)


def test_short_inputs_are_refused():
    for count, size in ((8, 65), (0, 30)):
        with pytest.raises(DatasetError, match="cannot be made of inputs"):
            FixedCopies(Whole(), count, size, (0.5, 1.0))


def test_a_copy_passes_the_network_as_it_is():
    layer = TemporalSampling(30, (0.5, 1.0), random=False)
    inputs = FixedCopies(Whole(), 8, 30, (0.5, 1.0))
    batch = inputs.batch(np.arange(4), (3, 2))
    np.testing.assert_array_equal(layer(batch, training=True), batch[:, :30])
    assert layer.get_config()["random"] is False
    clips = Whole().batch(np.arange(4))
    np.testing.assert_array_equal(layer(clips, training=True), layer(clips))
    drawn = np.asarray(TemporalSampling(30, seed=1)(clips, training=True))
    assert not np.array_equal(drawn, layer(clips))


def test_a_run_trains_on_them(tmp_path, monkeypatch):
    monkeypatch.setattr(fixed_copies, "SAMPLED", 10)  # toy clips are short
    recipe = get_recipe("csta_cnn", "ntu")
    for count in (0, 8):
        own = with_arguments(recipe, "csta_cnn", {"fixed_copies": count})
        run = Experiment("csta_cnn", make_dataset(12), "cs", own, folder=tmp_path, command="test")
        inputs = run.inputs()
        assert isinstance(inputs, FixedCopies) == bool(count)
    assert inputs.crop == (0.9, 1.0)
    assert run.build().get_layer("sampling").random is False
