"""Layers are aligned by names, then by shapes in order; shapes never cross."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.checkpoints.structure import (
    Layer,
    align,
    base_and_numbers,
    is_numbered,
    is_unique,
    longest,
    same_name,
)

SHAPES = st.lists(st.sampled_from("ABCD"), max_size=8)


def layers(text):
    """`conv_1:A left=B`: numbered names and shapes, or given names and shapes."""
    made = []
    for item in text.split():
        name, given_name, shape = item.partition("=")
        if not given_name:
            name, _, shape = item.partition(":")
        given, numbered = (name, "") if given_name else ("", name)
        made.append(Layer(name, given, numbered, (shape,)))
    return made


def pairs_of(file, network, **more):
    file, network = layers(file), layers(network)
    return [(file[i].key, network[j].key) for i, j in align(file, network, **more)]


@given(SHAPES, SHAPES)
def test_the_longest_is_the_longest(a, b):
    pairs = longest(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))
    more = len(pairs) + 1

    def subsequences(items):
        return set(combinations(items, more))

    assert not subsequences(a) & subsequences(b)


@given(SHAPES, SHAPES)
def test_one_alignment_or_several(a, b):
    size = len(longest(a, b))
    found = sum(
        [a[i] for i in rows] == [b[j] for j in columns]
        for rows in combinations(range(len(a)), size)
        for columns in combinations(range(len(b)), size)
    )
    assert is_unique(a, b) == (found == 1)


@given(SHAPES)
def test_the_same_layers_align_wholly(shapes):
    assert longest(shapes, shapes) == [(k, k) for k in range(len(shapes))]
    assert is_unique(shapes, shapes)


@given(st.lists(st.integers(), unique=True, max_size=12), st.data())
def test_layers_left_out_on_one_side_leave_the_others_aligned(shapes, data):
    kept = [s for s in shapes if data.draw(st.booleans())]
    found = [(shapes[i], kept[j]) for i, j in longest(shapes, kept)]
    assert found == [(s, s) for s in kept]
    assert is_unique(shapes, kept)


NAMED = st.lists(
    st.tuples(st.sampled_from(["", "left", "right", "head"]), st.sampled_from("ABC")), max_size=8
)


def numbered(named):
    return [
        Layer(f"{name}{k}", name, "" if name else f"dense_{k}", (shape,))
        for k, (name, shape) in enumerate(named)
    ]


@given(NAMED, NAMED, st.booleans())
def test_only_names_cross_shapes(file, network, certain):
    file, network = numbered(file), numbered(network)
    pairs = align(file, network, certain)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    for i, j in pairs:
        assert same_name(file[i], network[j]) or file[i].signature == network[j].signature
    shaped = [(i, j) for i, j in pairs if not same_name(file[i], network[j])]
    assert all((i < k) == (j < m) for (i, j), (k, m) in combinations(shaped, 2))


@pytest.mark.parametrize(
    ("file", "network", "expected"),
    [
        # numbers of another process; the second of two fits is not taken
        ("c_5:A c_6:B c_7:B d_3:H", "c:A c_1:B c_2:B d:G", "c_5>c c_6>c_1 c_7>c_2"),
        ("c_5:B c_6:B", "x:B", "c_5>x"),
        ("x:B", "c_5:B c_6:B", "x>c_5"),
        # numbers that overlap by accident fit fewer layers than the order does
        ("c_5:A c_6:B c_7:B", "c_6:A c_7:B c_8:B", "c_5>c_6 c_6>c_7 c_7>c_8"),
        # as many fit by number: these count
        ("d:A d_1:A d_2:H", "d:G d_1:A d_2:G", "d>d d_1>d_1 d_2>d_2"),
        # given names come first, in any order, and with other shapes
        ("left=A right=A c_5:B", "right=A left=A c_9:B", "right>right left>left c_5>c_9"),
        ("head=H c_3:A", "c:A head=G", "head>head"),  # beyond the head: its order contradicts
        # another order
        ("a_1:A b_1:B", "b_2:B a_2:A", "b_1>b_2"),
        ("a_1:A", "b_1:B", ""),
    ],
)
def test_cases(file, network, expected):
    expected = [tuple(pair.split(">")) for pair in expected.split()]
    assert sorted(pairs_of(file, network)) == sorted(expected)


def test_nothing_is_guessed_if_it_has_to_be_certain():
    assert pairs_of("a_7:A a_8:A b_9:B", "x:A y:B", certain=True) == []
    assert pairs_of("a_7:A b_9:B", "x:A y:C z:B", certain=True) == [("a_7", "x"), ("b_9", "z")]


def test_layers_without_arrays_and_too_many_layers():
    empty = [Layer("a", "", "", ())] * 3
    assert align(empty, empty) == []
    many = [Layer(str(k), "", "", (k % 7,)) for k in range(3000)]
    with pytest.raises(ValueError, match="too many layers"):
        align(many, many)


def test_names():
    assert base_and_numbers("conv2d_10") == ("conv2d", (10,))
    assert base_and_numbers("conv2d_1_2") == ("conv2d", (1, 2))
    assert base_and_numbers("conv2d") == ("conv2d", ())
    assert base_and_numbers("block1_conv1") == ("block1_conv1", ())
    assert is_numbered("batch_normalization_3", "BatchNormalization")
    assert not is_numbered("main_lstm_3", "LSTM")
