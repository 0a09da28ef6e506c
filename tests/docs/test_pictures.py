"""Pictures of README and documentation: they are there, small, described, and have a command."""

import importlib.util
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
GALLERY = ROOT / "docs" / "gallery.md"  # names the notebook or command of each of its pictures
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
FOUND = [
    (page, alt, (page.parent / target).resolve())
    for page in PAGES
    if "_build" not in page.parts
    for alt, target in PICTURE.findall(page.read_text("utf-8"))
]
LIMITS = {".png": 500_000, ".gif": 1_000_000}


def load_script(name="draw_pictures"):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def width_of(path):
    with Image.open(path) as image:
        return image.width


def test_pictures_are_there_small_and_described():
    assert FOUND
    for page, alt, picture in FOUND:
        where = f"{page.name}: {picture.name}"
        assert picture.stat().st_size < LIMITS[picture.suffix], where
        assert len(alt.split()) >= 10, where


def test_every_picture_has_a_command():
    commands = (ROOT / "CONTRIBUTING.md").read_text("utf-8") + GALLERY.read_text("utf-8")
    shown = {picture for _, _, picture in FOUND}
    stored = set((ROOT / "results" / "figures").iterdir())
    assert not [picture for picture in shown | stored if picture.name not in commands]
    assert stored <= shown


def test_the_gallery_shows_the_notebooks_pictures():
    assert not load_script("draw_gallery").outdated(), "run: python docs/draw_gallery.py"


def test_the_gallery_names_every_figure_of_the_papers():
    text = GALLERY.read_text("utf-8")
    numbers = {"MANs": 3, "STA-LSTM": 13, "CSTA-CNN": 4, "Pose-driven I3D": 6}
    sections = text.split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections] == list(numbers)
    for section, last in zip(sections, numbers.values(), strict=True):
        named = []
        for words in re.findall(r"^\*\*Figs?\. ([^*]+)\*\*", section, re.M):
            ends = [int(number) for number in re.findall(r"\d+", words)]
            named += range(ends[0], ends[-1] + 1)
        assert named == list(range(1, last + 1))


def test_pictures_from_stored_results_are_drawn():
    script = load_script("draw_gallery")
    for name in set(script.FIGURES) - set(script.NEEDS_DATA):
        assert script.FIGURES[name][1](None).axes, name


def test_the_table_of_gains_is_drawn(tmp_path, monkeypatch):
    script = load_script()
    (tmp_path / "attention_score.csv").write_bytes(
        (script.SCORE / "attention_score.csv").read_bytes()
    )
    monkeypatch.setattr(script, "SCORE", tmp_path)
    script.draw_gains(tmp_path, None)
    assert width_of(tmp_path / "gains.png") > 1000


@pytest.mark.slow
def test_the_crops_are_drawn(tmp_path, monkeypatch):
    script = load_script()
    monkeypatch.setattr(script, "FIGURES", tmp_path)
    script.draw_parts(tmp_path / "work", None)
    assert width_of(tmp_path / "parts.png") > 1000
