"""Acclaim files: what is read, the forward kinematics, and what is wrong in which line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.datasets.formats.asf_amc import (
    INCH,
    MotionTextError,
    parse_amc,
    parse_asf,
    positions,
)

# Axes, orders and units are as unusual as the format allows.
ASF = """\
# a comment
:version 1.10
:units
  mass 1.0
  length 0.5
  angle deg
:documentation
   begin with anything
:root
   order RZ TX RY TY RX TZ
   axis XYZ
   position 1 2 3
   orientation 0 0 0
:bonedata
  begin
     id 1
     name leg
     direction 0 -1 0
     length 4
     axis 10 20 30 ZYX
    dof rz rx   # in this order
    limits (-160.0 20.0)
           (-70.0 70.0)
  end
  begin
     id 2
     name stiff
     direction 0 0 1
     length 2
     axis 0 0 0 XYZ
  end
  begin
     name tip
     direction 1 0 0
     length 1
     axis -40 0 5 XYZ
    dof rx ry rz
  end
:hierarchy
  begin
    stiff tip
    root leg
    leg stiff
  end
"""
AMC = """\
#!OML:ASF X:\\f\xf6r Bonn\\Body.ASF
:FULLY-SPECIFIED
:DEGREES
1
root 10 1 20 2 30 3
leg 40 -50
tip 15 25 35
2
root 0 0 0 0 0 0
leg 0 0
tip 0 0 0
"""


def rotation(order, degrees):
    """Rotations about fixed axes, applied in the order in which they are listed."""
    total = np.eye(3)
    for axis, angle in zip(order, degrees, strict=True):
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        x = [[1, 0, 0], [0, c, -s], [0, s, c]]
        y = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
        z = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
        total = np.array({"x": x, "y": y, "z": z}[axis]) @ total
    return total


def test_kinematics_by_hand():
    body = parse_asf(ASF)
    assert body.names == ("root", "leg", "stiff", "tip")
    assert [bone.parent for bone in body.bones] == [-1, 0, 1, 2]
    motion = parse_amc(AMC, body)
    assert motion.problems == []
    points = positions(body, motion.values)
    assert points.shape == (2, 4, 3)

    unit = INCH / 0.5
    root = np.array([1 + 1, 2 + 2, 3 + 3.0])
    turn = rotation("zyx", (10, 20, 30))
    frame = rotation("zyx", (10, 20, 30))  # the leg's axes: 10, 20, 30 with the order ZYX
    turn = turn @ frame @ rotation("zx", (40, -50)) @ frame.T
    knee = root + turn @ [0, -4, 0]
    end = knee + turn @ [0, 0, 2]  # no degree of freedom: it goes with the leg
    frame = rotation("xyz", (-40, 0, 5))
    turn = turn @ frame @ rotation("xyz", (15, 25, 35)) @ frame.T
    tip = end + turn @ [1, 0, 0]
    np.testing.assert_allclose(points[0], np.array([root, knee, end, tip]) * unit, atol=1e-12)

    rest = np.array([[1, 2, 3], [1, -2, 3], [1, -2, 5], [2, -2, 5]])  # all angles zero
    np.testing.assert_allclose(points[1], rest * unit, atol=1e-12)


def test_frames_are_one_by_one_what_they_are_together():
    body = parse_asf(ASF)
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (7, 11))
    together = positions(body, values)
    for t in range(7):
        np.testing.assert_allclose(positions(body, values[t : t + 1])[0], together[t], atol=1e-12)
    assert positions(body, values[:0]).shape == (0, 4, 3)


def test_radians():
    """Of the skeleton by its units, of the motion by its header."""
    degrees = parse_asf(ASF)
    values = parse_amc(AMC, degrees).values
    radians = AMC.replace(":DEGREES", ":RADIANS")
    np.testing.assert_allclose(parse_amc(radians, degrees).values[0, 0], 10)
    np.testing.assert_allclose(values[0, 0], math.radians(10))
    body = parse_asf(ASF.replace("angle deg", "angle rad").replace("-40 0 5", "-0.1 0 0.2"))
    np.testing.assert_allclose(
        body.bones[3].axis.as_matrix(),
        rotation("xyz", [math.degrees(a) for a in (-0.1, 0, 0.2)]),
        atol=1e-12,
    )
    assert not body.degrees
    np.testing.assert_allclose(parse_amc(AMC, body).values, values)


def test_windows_lines_and_a_default_unit():
    body = parse_asf(ASF.replace("\n", "\r\n").replace("length 0.5", ""))
    assert body.metre == INCH
    assert len(parse_amc(AMC.replace("\n", "\r\n"), body).values) == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("length 4", "length four", 19, "'length' contains a value that is not a number"),
        ("length 4", "length nan", 19, "'length' contains NaN"),
        ("length 4", "length 1e30", 19, "or a number out of range"),
        ("length 4", "length", 19, "'length' has 0 values, expected 1"),
        ("length 4", "", 15, "bone 'leg' has no direction or no length"),
        ("direction 0 -1 0", "direction 0 -1", 18, "'direction' has 2 values, expected 3"),
        ("30 ZYX", "30 ZYZ", 20, "'ZYZ' is not an order of the axes"),
        ("30 ZYX", "30", 20, "'30' is not an order of the axes"),
        ("dof rz rx", "dof rz l", 21, "degree of freedom 'l' is not supported"),
        ("dof rz rx", "dof rx rx", 21, "listed twice"),
        ("RX TZ", "RX TZ L", 10, "degree of freedom 'l' is not supported"),
        ("orientation 0 0 0", "orientation 0 90 0", 13, "rotated at rest"),
        ("axis XYZ\n", "axis X\n", 11, "'X' is not an order"),
        ("length 0.5", "length 0", 5, "invalid unit of length 0"),
        ("angle deg", "angle gon", 6, "angles are in 'gon'"),
        ("name tip", "name leg", 32, "'leg' is empty or not unique"),
        ("name tip", "name two words", 33, "not followed by one word"),
        ("name tip", "", 32, "'' is empty"),
        ("root leg", "root leg arm", 42, "unknown bone 'arm' in the hierarchy"),
        ("root leg", "root leg tip", 42, "bone 'tip' has two parents"),
        ("stiff tip", "", 32, "'tip' is not in the hierarchy"),
        ("root leg", "tip leg", 44, "does not connect 'leg'"),
        ("length 1\n", "length 1\n:hierarchy\n", 32, "begins here has no 'end'"),
        (":bonedata", ":bones", 44, "no bones (':bonedata'"),
    ],
)
def test_bad_skeletons_say_where_and_why(old, new, line, why):
    assert old in ASF
    with pytest.raises(MotionTextError) as error:
        parse_asf(ASF.replace(old, new, 1))
    assert why in error.value.message
    assert error.value.line == line
    assert str(error.value) == f"line {line}: {error.value.message}"


@pytest.mark.parametrize(
    ("old", "new", "line", "why", "frames"),
    [
        ("leg 40 -50", "leg 40", 6, "frame 1: 'leg' has 1 values, expected 2", 1),
        ("leg 40 -50", "leg 40 x", 4, "frame 1 contains a value that is not a number", 1),
        ("leg 40 -50", "leg 40 nan", 4, "frame 1 contains NaN", 1),
        ("leg 40 -50", "leg 40 1e300", 4, "or a number out of range", 1),
        ("leg 40 -50", "arm 40 -50", 6, "frame 1: 'arm' is not a movable bone", 1),
        ("leg 40 -50", "leg 40 -50\nleg 40 -50", 7, "frame 1: 'leg' occurs twice", 1),
        ("leg 40 -50\n", "", 4, "frame 1 has no line for 'leg'", 1),
        ("tip 0 0 0\n", "", 8, "frame 2 has no line for 'tip'", 1),  # cut off
        ("tip 0 0 0\n", "tip 0 0 0\n2\n", 12, "frame 2 comes after 2", 2),
        (":DEGREES", ":DEGREES\nroot 1 2 3", 4, "'root' comes before the first frame", 2),
    ],
)
def test_bad_frames_are_left_out_and_reported(old, new, line, why, frames):
    assert old in AMC
    motion = parse_amc(AMC.replace(old, new, 1), parse_asf(ASF))
    assert len(motion.values) == frames
    ((where, what),) = motion.problems
    assert where == line
    assert why in what


def test_order_of_bones_in_a_frame_does_not_matter():
    body = parse_asf(ASF)
    swapped = AMC.replace("leg 40 -50\ntip 15 25 35", "tip 15 25 35\nleg 40 -50")
    np.testing.assert_array_equal(parse_amc(swapped, body).values, parse_amc(AMC, body).values)


def broken(text):
    """Text made of pieces of a good file, of words of it in other places, and of anything."""
    words = sorted(set(text.split())) + [*"0#:", "-1e9", "1e308", "nan", "9" * 30, "\u0663", "\x85"]
    piece = st.sampled_from(text.splitlines()) | st.lists(st.sampled_from(words)).map(" ".join)
    edits = st.lists(st.tuples(st.integers(0, text.count("\n")), piece), max_size=4)

    def apply(edits):
        lines = text.splitlines()
        for at, new in edits:
            lines[min(at, len(lines) - 1)] = new
        return "\n".join(lines)

    return edits.map(apply) | st.lists(piece, max_size=12).map("\n".join) | st.text(max_size=200)


@given(asf=broken(ASF), amc=broken(AMC))
def test_any_text_is_read_or_refused(asf, amc):
    """Whatever is read is finite, has its shape, and fits float32."""
    line, body = 1, parse_asf(ASF)
    try:
        body = parse_asf(asf)
    except MotionTextError as error:
        line = error.line
    assert 1 <= line <= asf.count("\n") + 1
    motion = parse_amc(amc, body)
    width = sum(len(bone.channels) for bone in body.bones)
    assert motion.values.shape == (len(motion.values), width)
    assert all(1 <= line <= amc.count("\n") + 1 for line, _ in motion.problems)
    points = positions(body, motion.values).astype(np.float32)
    assert points.shape == (len(motion.values), len(body.bones), 3)
    assert np.isfinite(points).all()
