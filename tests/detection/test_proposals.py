import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.detection.proposals import merge, multiscale, propose, smooth, suppress


def by_the_equations(curve, epsilon, omega):
    """Eqs. 8 and 9 frame by frame: a start has omega frames at or below epsilon before it."""
    T = len(curve)
    starts = [
        s for s in range(T)
        if curve[s] > epsilon and all(curve[s - t] <= epsilon for t in range(1, min(s, omega) + 1))
        and (omega or not s or curve[s - 1] <= epsilon)
    ]  # fmt: skip
    ends = [
        e for e in range(T)
        if curve[e] > epsilon
        and all(curve[e + t] <= epsilon for t in range(1, min(T - 1 - e, omega) + 1))
        and (omega or e == T - 1 or curve[e + 1] <= epsilon)
    ]  # fmt: skip
    return [[s, e + 1] for s, e in zip(starts, ends, strict=True)]


@given(
    curve=st.lists(st.sampled_from([0.0, 0.1, 0.5]), max_size=40),
    epsilon=st.sampled_from([0.0, 0.2]),
    omega=st.integers(0, 6),
)
def test_proposals_are_those_of_the_equations(curve, epsilon, omega):
    found = propose(np.array(curve), epsilon, omega)
    assert found.tolist() == by_the_equations(curve, epsilon, omega)


def test_short_dips_do_not_part_an_action():
    curve = np.zeros(100)
    curve[20:40] = curve[45:60] = curve[80:90] = 1
    assert propose(curve, 0.5, omega=5).tolist() == [[20, 40], [45, 60], [80, 90]]
    assert propose(curve, 0.5, omega=6).tolist() == [[20, 60], [80, 90]]
    assert propose(np.ones(7), 0.5).tolist() == [[0, 7]]
    assert propose(np.zeros(7)).shape == (0, 2)
    with pytest.raises(ValueError, match="expected"):
        propose(np.zeros((3, 3)))


def test_the_average_filter():
    curve = np.zeros(100)
    curve[50] = 30
    found = smooth(curve)
    assert (found > 0).sum() == 30
    np.testing.assert_allclose(found[found > 0], 1)
    np.testing.assert_allclose(smooth(np.full(5, 2.0)), 2)
    assert smooth([]).shape == (0,)


def test_nine_candidates_a_location():
    found = multiscale([[100, 160]], frames=1000)
    # delta = 20: centres 110, 130, 150; lengths 40, 60, 80.
    expected = sorted(
        [c - n // 2, c + n // 2] for c in (110, 130, 150) for n in (40, 60, 80)
    )  # fmt: skip
    assert found.tolist() == expected
    assert [100, 160] in found.tolist()
    assert [7, 17] in multiscale([[7, 17]], 1000).tolist()  # not divided by 3
    cut = multiscale([[0, 30], [90, 100]], frames=100)
    assert cut.min() >= 0
    assert cut.max() <= 100
    assert multiscale(np.zeros((0, 2)), 100).shape == (0, 2)


def test_suppression_keeps_the_best_of_what_overlaps():
    spans = [[0, 100], [10, 110], [200, 300], [205, 290], [400, 500]]
    scores = [0.8, 0.9, 0.3, 0.2, 0.05]
    assert suppress(spans, scores).tolist() == [1, 2]
    assert suppress(spans, scores, least=0.0, overlap=0.95).tolist() == [1, 0, 2, 3, 4]
    assert suppress([], []).tolist() == []


def test_near_detections_become_one():
    spans, scores = merge([[60, 90], [0, 50], [200, 230], [69, 75]], [0.5, 0.7, 0.2, 0.9])
    assert spans.tolist() == [[0, 90], [200, 230]]  # 10 frames between the first two
    assert scores.tolist() == [0.9, 0.2]
    spans, _ = merge([[0, 50], [70, 90]], [1, 1])
    assert spans.tolist() == [[0, 50], [70, 90]]  # 20 are not fewer than 20
    assert merge([], [])[0].shape == (0, 2)
