import numpy as np
import pytest
from scipy.stats import spearmanr

from keras_skeleton.attention.agreement import agreement, rank_correlation


def test_ranks_alone_count():
    values = np.array([0.1, 3.0, 0.2, 7.0])
    assert rank_correlation(values, np.exp(values)) == pytest.approx(1)
    assert rank_correlation(values, -values) == pytest.approx(-1)
    assert np.isnan(rank_correlation(values, np.ones(4)))


def test_the_same_as_scipys_with_ties():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (2, 30)).astype(float)
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_pairs_of_networks():
    up, down, flat = np.arange(4.0), -np.arange(4.0), np.ones(4)
    same = agreement([[up, up], [up, up], [up, down]])  # pairs: 1, 0, 0
    assert same == pytest.approx((1 / 3, np.std([1, 0, 0]), 3))
    found = agreement([[up, flat], [up, down]])  # the second clip has no ranks
    assert found == pytest.approx((1, 0, 1))
    assert agreement([[up], [down]], [[up]]) == pytest.approx((0, 1, 2))
    for nothing in ([[up]], [[flat], [up]]):
        found = agreement(nothing)
        assert found.pairs == 0
        assert np.isnan(found.mean)
