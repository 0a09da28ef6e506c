import numpy as np
import pytest

from keras_skeleton.datasets.synthetic import dataset as synthetic
from keras_skeleton.datasets.synthetic.rendering import place, render
from keras_skeleton.skeletons import KINECT_V2


def clip_of(label=0, view=1):
    return next(synthetic.make_clips(labels=[label], subjects=[1], repetitions=[1], views=[view]))


def test_joints_are_drawn_where_their_pixels_are():
    clip = clip_of(view=2).truth[:20:6]
    video = render(clip, 270, 480)
    empty = render(np.zeros_like(clip), 270, 480)
    assert video.shape == (4, 270, 480, 3)
    assert video.dtype == np.uint8
    at = place(clip, 270, 480)
    # The same geometry as the 2D joints of written .skeleton files, at another size.
    full = synthetic.pixels(clip, synthetic.COLOUR)
    np.testing.assert_allclose(at * 4, full)
    for t in range(4):
        changed = (video[t] != empty[t]).any(axis=-1)
        for x, y in at[t, 0]:
            assert changed[int(y), int(x)]
        # And nothing far from the person is.
        rows, columns = np.nonzero(changed)
        low, high = at[t, 0].min(axis=0) - 12, at[t, 0].max(axis=0) + 12
        assert low[0] < columns.min()
        assert columns.max() < high[0]
        assert low[1] < rows.min()
        assert rows.max() < high[1]


def test_the_nearer_person_hides_the_other():
    standing = clip_of().truth[:1, 0]
    behind = standing + [0, 0, 1.5]
    both = np.stack([standing, behind], axis=1)
    first, second = render(both, 270, 480), render(both[:, ::-1], 270, 480)
    x, y = place(standing[0, KINECT_V2.spine[1]], 270, 480).astype(int)
    alone = render(standing[:, None], 270, 480)
    np.testing.assert_array_equal(first[0, y, x], alone[0, y, x])
    absent = np.stack([0 * standing, standing], axis=1)
    other = render(absent, 270, 480)  # bodies swapped: the second one's colours
    np.testing.assert_array_equal(second[0, y, x], other[0, y, x])


def test_the_same_seed_the_same_video_and_odd_input():
    clip = clip_of().truth[:2]
    np.testing.assert_array_equal(render(clip, 90, 160, seed=3), render(clip, 90, 160, seed=3))
    assert (render(clip, 90, 160, seed=3) != render(clip, 90, 160, seed=4)).any()
    lens = clip.copy()
    lens[..., 2] = 0.1
    assert render(lens, 90, 160).shape == (2, 90, 160, 3)  # nobody: too near to be seen
    with pytest.raises(ValueError, match=r"expected \(T, M, 25, 3\)"):
        render(clip[:, 0])
