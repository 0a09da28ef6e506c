"""Subfolders that are links are searched, each once."""

from keras_skeleton.datasets.clip_sources import find_sources, unreadable
from keras_skeleton.datasets.own_files import walk_clips
from keras_skeleton.utils.folders import walk_files
from keras_skeleton.video.film_files import find_films


def make(tmp_path, name="walk.npy"):
    """A folder with a file, one with another file elsewhere, and a link between them."""
    root, disk = tmp_path / "clips", tmp_path / "disk"
    (root / "own").mkdir(parents=True)
    (disk / "deep").mkdir(parents=True)
    (root / "own" / name).touch()
    (disk / "deep" / name).touch()
    (root / "linked").symlink_to(disk)
    return root, disk


def names(root):
    return sorted(path.relative_to(root).as_posix() for path in walk_files(root))


def test_linked_folders_are_searched(tmp_path):
    root, _ = make(tmp_path)
    assert names(root) == ["linked/deep/walk.npy", "own/walk.npy"]
    assert [clip.name for clip in walk_clips(root)] == ["linked/deep/walk.npy", "own/walk.npy"]


def test_no_file_is_found_twice(tmp_path):
    root, disk = make(tmp_path)
    (root / "z_again").symlink_to(disk / "deep")  # inside of what is linked
    (root / "z_own").symlink_to(root / "own")
    (root / "own" / "up").symlink_to(tmp_path)  # would never end
    (disk / "back").symlink_to(root)
    (root / "loop").symlink_to(root / "loop")
    found = [name for name in names(root) if name.endswith(".npy")]
    assert found == ["linked/deep/walk.npy", "own/walk.npy"]
    assert [clip.name for clip in walk_clips(root)] == found


def test_films_and_sources_in_linked_folders(tmp_path):
    root, _ = make(tmp_path, "walk.mp4")
    films, others = find_films([str(root)])
    assert [film.relative_to(root).as_posix() for film in films] == [
        "linked/deep/walk.mp4",
        "own/walk.mp4",
    ]
    assert not others
    root, _ = make(tmp_path / "poses", "walk.skeleton")
    assert len(find_sources([str(root)])) == 2


def test_a_root_that_is_a_link(tmp_path):
    root, _ = make(tmp_path)
    (tmp_path / "link").symlink_to(root)
    assert names(tmp_path / "link") == names(root)


def test_what_cannot_be_read_among_the_sources_is_named(tmp_path):
    root, _ = make(tmp_path)
    assert unreadable([str(root), str(root / "own" / "walk.npy")]) == []
    (root / "gone.npy").symlink_to(tmp_path / "nowhere.npy")
    ((path, why),) = unreadable([str(root), str(root)])
    assert path == root / "gone.npy"
    assert "nowhere.npy" in why
