import numpy as np
import pytest
from conftest import make_dataset
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.training.pipeline import (
    Inputs,
    epoch_order,
    evaluation_batches,
    training_batches,
)
from keras_skeleton.utils.errors import DatasetError


def read(clip):
    return clip[:10, 0].astype("float32")


@given(n=st.integers(1, 60), batch=st.integers(1, 20), seed=st.integers(0, 99))
def test_every_clip_comes_once_an_epoch(n, batch, seed):
    indices = np.arange(100, 100 + n)
    order = epoch_order(indices, batch, seed, epoch=3)
    assert order.shape == (-(-n // batch), batch)
    np.testing.assert_array_equal(np.sort(order.ravel()[:n]), indices)
    np.testing.assert_array_equal(order.ravel()[n:], np.resize(order.ravel()[:n], order.size)[n:])
    np.testing.assert_array_equal(order, epoch_order(indices, batch, seed, epoch=3))


def test_epochs_and_seeds_differ():
    orders = [tuple(epoch_order(np.arange(50), 50, s, e)[0]) for s in (0, 1) for e in (0, 1)]
    assert len(set(orders)) == 4


def take(dataset, steps):
    return [(np.asarray(x), np.asarray(y)) for x, y in dataset.take(steps)]


def test_training_batches_hold_the_clips_of_the_order(toy):
    inputs = Inputs(toy, read)
    indices = np.arange(5, 27)
    batches, steps = training_batches(inputs, indices, 8, seed=1)
    assert steps == 3
    got = take(batches, 2 * steps)
    expected = np.concatenate([epoch_order(indices, 8, 1, epoch) for epoch in (0, 1)])
    for (x, y), order in zip(got, expected, strict=True):
        assert x.shape == (8, 10, 20, 3)
        np.testing.assert_array_equal(y, toy.labels[order])
        np.testing.assert_array_equal(x, np.stack([read(toy.clip(i)) for i in order]))


def test_a_run_can_begin_in_any_epoch(toy):
    inputs = Inputs(toy, read)
    whole, steps = training_batches(inputs, np.arange(20), 8, seed=1)
    later, _ = training_batches(inputs, np.arange(20), 8, seed=1, first_epoch=2)
    for (x, _), (again, _) in zip(
        take(whole, 3 * steps)[2 * steps :], take(later, steps), strict=True
    ):
        np.testing.assert_array_equal(x, again)


def test_evaluation_keeps_the_order_and_fills_the_last_batch(toy):
    inputs = Inputs(toy, read)
    indices = np.array([7, 3, 40, 11, 5])
    batches = take(evaluation_batches(inputs, indices, 4), 9)
    assert len(batches) == 2
    labels = np.concatenate([y for _, y in batches])
    np.testing.assert_array_equal(labels[:5], toy.labels[indices])
    np.testing.assert_array_equal(labels[5:], toy.labels[[7, 3, 40]])


@pytest.mark.parametrize(("limit", "memory"), [(0, 0), (1 << 30, 0), (1 << 30, 1 << 30)])
def test_results_are_kept_where_they_fit(toy, limit, memory):
    calls = []

    def counted(clip):
        calls.append(1)
        return read(clip)

    inputs = Inputs(toy, counted, limit, memory)
    first = inputs.batch(np.arange(6))
    again = inputs.batch(np.arange(6))
    np.testing.assert_array_equal(first, again)
    assert len(calls) == (1 + 6 if limit else 1 + 12)
    assert isinstance(inputs._kept, np.memmap) == bool(limit and not memory)
    assert type(again) is np.ndarray  # a batch is a copy


def test_a_clip_that_cannot_be_read_is_named():
    def refuse(clip):
        raise ValueError("too short")

    with pytest.raises(DatasetError, match="toy, clip 'clip000': too short"):
        Inputs(make_dataset(), refuse)


def test_no_clips_to_train_on(toy):
    with pytest.raises(DatasetError, match="no clips to train on"):
        training_batches(Inputs(toy, read), np.zeros(0, int), 8, seed=0)
