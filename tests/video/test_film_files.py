from pathlib import Path

import pytest

from keras_skeleton.video.film_files import SUFFIXES, film_names, find_films, is_film


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.AVI", "c.npy", "sub/d.mov", "sub/deep/e.webm", "only/x.json",
                 "trap.mp4/inside.mkv"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_suffixes_in_any_case(suffix):
    assert is_film(f"a{suffix}")
    assert is_film(Path(f"A.b{suffix.upper()}"))
    assert not is_film(f"a{suffix}.npy")
    assert not is_film(suffix)  # a hidden file without a suffix


@pytest.mark.parametrize(
    ("words", "films", "others"),
    [
        (["a.mp4"], ["a.mp4"], []),
        (["lost.mp4"], ["lost.mp4"], []),  # reading it says that there is none
        (["c.npy"], [], ["c.npy"]),
        (["-"], [], ["-"]),
        (["a.mp4", "c.npy"], ["a.mp4"], ["c.npy"]),
        (["."], ["a.mp4", "b.AVI", "sub/d.mov", "sub/deep/e.webm", "trap.mp4/inside.mkv"], []),
        (["sub"], ["sub/d.mov", "sub/deep/e.webm"], []),
        (["only"], [], ["only"]),
        (["trap.mp4"], ["trap.mp4/inside.mkv"], []),
        (["*.mp4"], ["a.mp4"], []),
        (["*.mkv"], [], ["*.mkv"]),
        (["**/*.mov"], ["sub/d.mov"], []),
        (["sub/*"], ["sub/d.mov"], []),
        (["b.AVI", "a.mp4", "b.AVI", "./a.mp4"], ["b.AVI", "a.mp4"], []),
        ([], [], []),
    ],
)
def test_films_are_found_once_in_the_order_given(folder, words, films, others):
    found, rest = find_films(words)
    assert [path.as_posix() for path in found] == films
    assert rest == others


def test_a_name_with_brackets_is_a_film_not_a_pattern(folder):
    (folder / "wave [1].mp4").write_bytes(b"")
    assert find_films(["wave [1].mp4"]) == ([Path("wave [1].mp4")], [])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["a.mp4"], ["a"]),
        (["sub"], ["d", "deep/e"]),
        (["."], ["a", "b", "sub/d", "sub/deep/e", "trap.mp4/inside"]),
        (["sub/deep/e.webm", "sub"], ["deep/e", "d"]),  # as a film of the folder
        (["a.mp4", "more/a.mov", "more/a.mp4"], ["a", "a_2", "a_3"]),
        (["a_2.mp4", "a.mp4", "more/a.mp4"], ["a_2", "a", "a_3"]),
    ],
)
def test_names_of_results(folder, words, names):
    films, _ = find_films(words)
    assert film_names(films, words) == names


def test_names_of_results_are_plain(folder):
    assert film_names([Path("x:y.mp4"), Path("..mp4")], []) == ["x_y", "_."]


def test_results_of_labeling_are_no_sources(tmp_path):
    for name in ("a.mp4", "a_overlay.mp4", "a_attention.html", "b_overlay.mp4"):
        (tmp_path / name).write_bytes(b"")
    found, _ = find_films([str(tmp_path)])
    assert [path.name for path in found] == ["a.mp4", "b_overlay.mp4"]
    named = tmp_path / "a_overlay.mp4"
    assert find_films([str(named)]) == ([named], [])
