"""Files of ELAN: what is written is read, and overlapping labels are in tiers of their own."""

import re
from itertools import pairwise
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


# The schema of version 3.0: elements of the document in this order, with their attributes.
ORDER = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LANGUAGE", "CONSTRAINT",
         "CONTROLLED_VOCABULARY"]  # fmt: skip
REQUIRED = {
    "ANNOTATION_DOCUMENT": {"AUTHOR", "DATE", "VERSION"},
    "MEDIA_DESCRIPTOR": {"MEDIA_URL", "MIME_TYPE"},
    "TIME_SLOT": {"TIME_SLOT_ID"},
    "TIER": {"TIER_ID", "LINGUISTIC_TYPE_REF"},
    "ALIGNABLE_ANNOTATION": {"ANNOTATION_ID", "TIME_SLOT_REF1", "TIME_SLOT_REF2"},
    "LINGUISTIC_TYPE": {"LINGUISTIC_TYPE_ID"},
    "LANGUAGE": {"LANG_ID"},
    "CONSTRAINT": {"STEREOTYPE", "DESCRIPTION"},  # pympi relies on the second
    "CONTROLLED_VOCABULARY": {"CV_ID"},
    "CV_ENTRY_ML": {"CVE_ID"},
    "CVE_VALUE": {"LANG_REF"},
}
INSIDE = {
    "HEADER": ["MEDIA_DESCRIPTOR", "PROPERTY"],
    "TIME_ORDER": ["TIME_SLOT"],
    "TIER": ["ANNOTATION"],
    "ANNOTATION": ["ALIGNABLE_ANNOTATION"],
    "ALIGNABLE_ANNOTATION": ["ANNOTATION_VALUE"],
    "CONTROLLED_VOCABULARY": ["DESCRIPTION", "CV_ENTRY_ML"],
    "CV_ENTRY_ML": ["CVE_VALUE"],
}


def in_order(tags, order):
    places = [order.index(tag) for tag in tags]  # no other tag
    return places == sorted(places)


@pytest.mark.parametrize("media", [None, "my films/räum 1.mkv"])
@pytest.mark.parametrize("classes", [(), ("wave", "sit <down> & \x07 up")])
def test_the_file_follows_the_schema_of_elan(tmp_path, media, classes):
    labels = [TimedLabel("wave", 1, 2), TimedLabel("sit", 1.5, 3), TimedLabel("wave", 3, 3)]
    path = tmp_path / "out" / "rec.eaf"
    path.parent.mkdir()
    write_eaf(labels, path, tmp_path / media if media else None, classes=classes)
    root = ElementTree.parse(path).getroot()
    assert in_order([child.tag for child in root], ORDER)
    for element in root.iter():
        assert REQUIRED.get(element.tag, set()) <= set(element.attrib)
        if element.tag in INSIDE:
            assert in_order([child.tag for child in element], INSIDE[element.tag])
    slots = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")
    }
    assert list(slots.values()) == sorted(slots.values())
    notes = list(root.iter("ALIGNABLE_ANNOTATION"))
    assert len(notes) == len(labels)
    for note in notes:
        assert slots[note.get("TIME_SLOT_REF1")] < slots[note.get("TIME_SLOT_REF2")]
    # Of the kind ID: unique in the document, and names of XML.
    ids = [*slots, *(note.get("ANNOTATION_ID") for note in notes)]
    ids += [one.get("STEREOTYPE") for one in root.iter("CONSTRAINT")]
    ids += [one.get("LANG_ID") for one in root.iter("LANGUAGE")]
    assert len(set(ids)) == len(ids) == 2 * len(labels) + len(labels) + 4 + bool(classes)
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", one) for one in ids)
    types = {one.get("LINGUISTIC_TYPE_ID"): one for one in root.iter("LINGUISTIC_TYPE")}
    tiers = [tier.get("TIER_ID") for tier in root.iter("TIER")]
    assert tiers == ["actions", "actions 2"]
    for tier in root.iter("TIER"):
        words = types[tier.get("LINGUISTIC_TYPE_REF")].get("CONTROLLED_VOCABULARY_REF")
        known = {one.get("CV_ID") for one in root.iter("CONTROLLED_VOCABULARY")}
        assert known == ({words} if classes else set())
    found = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert (found is not None) == bool(media)
    if media:  # as ELAN looks for it: nothing is encoded
        assert found.get("MEDIA_URL").startswith("file:///")
        assert found.get("MEDIA_URL").endswith((tmp_path / media).as_posix())
        assert found.get("RELATIVE_MEDIA_URL") == f"../{media}"
        assert found.get("MIME_TYPE") == "video/*"


def test_a_film_beside_the_file(tmp_path):
    write_eaf([], tmp_path / "rec.eaf", tmp_path / "rec.mp4")
    found = ElementTree.parse(tmp_path / "rec.eaf").find("HEADER/MEDIA_DESCRIPTOR")
    assert (found.get("MIME_TYPE"), found.get("RELATIVE_MEDIA_URL")) == ("video/mp4", "./rec.mp4")


@pytest.mark.parametrize(
    "text", ["", "<a/>", "no XML", '<!DOCTYPE a [<!ENTITY b "c">]><ANNOTATION_DOCUMENT/>']
)
def test_other_files_are_refused(path, text):
    path.write_text(text)
    with pytest.raises(DatasetError):
        read_eaf(path)


NOTE = (
    '<ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="a" TIME_SLOT_REF2="b"><ANNOTATION_VALUE>wave'
    "</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
)
SLOTS = (
    '<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/>'
    '<TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="900"/></TIME_ORDER>'
)


def document(body, start=""):
    return f"{start}<ANNOTATION_DOCUMENT>{SLOTS}{body}</ANNOTATION_DOCUMENT>"


@pytest.mark.parametrize("way", ["", "<A>"])
def test_tiers_in_tiers_are_refused(path, way):
    """Each tier is searched once: 3,000 in each other around 3,000 labels would be 9 million."""
    end = way.replace("<", "</")
    path.write_text(document(f'{way}<TIER TIER_ID="a">' * 3000 + NOTE + f"</TIER>{end}" * 3000))
    with pytest.raises(DatasetError, match="tier inside of another"):
        read_eaf(path)


ENTITIES = '<!DOCTYPE a [<!ENTITY x "xxx"><!ENTITY y "&x;&x;">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be",
                                      "iso-8859-1", "ascii"])  # fmt: skip
@pytest.mark.parametrize("declaration", [ENTITIES, "<!DOCTYPE a>", '<!DOCTYPE a SYSTEM "a.dtd">'])
def test_declarations_are_refused_in_every_encoding(path, encoding, declaration):
    name = encoding.removesuffix("-sig").removesuffix("-le").removesuffix("-be")
    start = f'<?xml version="1.0" encoding="{name}"?>'
    mark = "\ufeff" if encoding.endswith(("-le", "-be")) else ""
    tier = f'<TIER TIER_ID="a">{NOTE}</TIER>'
    path.write_bytes((mark + document(tier, start)).encode(encoding))
    assert [one.label for one in read_eaf(path)] == ["wave"]
    path.write_bytes((mark + document(tier, start + declaration)).encode(encoding))
    with pytest.raises(DatasetError, match="declares a document type"):
        read_eaf(path)


def test_text_that_names_a_declaration_is_text(path):
    write_eaf([TimedLabel("<!DOCTYPE a>", 0, 1)], path)
    assert read_eaf(path)[0].label == "<!DOCTYPE a>"
