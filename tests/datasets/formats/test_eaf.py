"""Files of ELAN: what is written is read, and overlapping labels are in tiers of their own."""

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.datasets.formats.eaf import TimedLabel, read_eaf, write_eaf
from keras_skeleton.utils.errors import DatasetError

LABEL = st.builds(
    lambda label, start, length: TimedLabel(label, start / 1000, (start + length) / 1000),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
    st.integers(0, 10**6),
    st.integers(1, 10**5),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("eaf") / "rec.eaf"


@given(st.lists(LABEL, max_size=8))
def test_what_is_written_is_read(path, labels):
    write_eaf(labels, path)
    found = read_eaf(path)
    key = [(one.label, pytest.approx(one.start), pytest.approx(one.end)) for one in sorted(labels)]
    assert [one[:3] for one in sorted(found)] == key
    for tier in {one.tier for one in found}:
        own = [one for one in found if one.tier == tier]
        assert all(a.end <= b.start for a, b in pairwise(own))


def test_the_file_follows_the_schema_of_elan(path):
    labels = [TimedLabel("wave", 1, 2), TimedLabel("sit", 1.5, 3), TimedLabel("wave", 3, 4)]
    write_eaf(labels, path, Path("films/rec.mp4"), classes=["wave", "sit"])
    root = ElementTree.parse(path).getroot()
    names = [child.tag for child in root]
    order = ["HEADER", "TIME_ORDER", "TIER", "TIER", "LINGUISTIC_TYPE", "LANGUAGE"]
    assert names == [*order, *["CONSTRAINT"] * 4, "CONTROLLED_VOCABULARY"]
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert media.get("MEDIA_URL").startswith("file:///")
    assert media.get("MEDIA_URL").endswith("films/rec.mp4")
    assert media.get("MIME_TYPE") == "video/mp4"
    slots = root.findall("TIME_ORDER/TIME_SLOT")
    times = [int(slot.get("TIME_VALUE")) for slot in slots]
    assert times == sorted(times)
    ids = [one.get("ANNOTATION_ID") for one in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(set(ids)) == len(labels)
    known = {slot.get("TIME_SLOT_ID") for slot in slots}
    for one in root.iter("ALIGNABLE_ANNOTATION"):
        assert {one.get("TIME_SLOT_REF1"), one.get("TIME_SLOT_REF2")} <= known
    types = {one.get("LINGUISTIC_TYPE_ID") for one in root.iter("LINGUISTIC_TYPE")}
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in root.iter("TIER")} <= types


@pytest.mark.parametrize(
    "text", ["", "<a/>", "no XML", '<!DOCTYPE a [<!ENTITY b "c">]><ANNOTATION_DOCUMENT/>']
)
def test_other_files_are_refused(path, text):
    path.write_text(text)
    with pytest.raises(DatasetError):
        read_eaf(path)
