"""All files of a folder and its subfolders, also where subfolders are links to other disks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


class Links:
    """Decides which links to folders are followed: those that lead out of the root folder.

    A link to a folder inside the root, or to one that another link has led to, is not followed, so
    that no file is read twice; neither is one to a folder that contains the root, which would never
    end.

    Args:
        root: The folder that is searched.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as disk, tempfile.TemporaryDirectory() as clips:
        ...     link = Path(clips, "more")
        ...     link.symlink_to(disk)
        ...     Links(Path(clips)).follows(link)
        True
    """

    def __init__(self, root: Path) -> None:
        self._read = [root.resolve()]

    def follows(self, link: Path) -> bool:
        """Whether to search the folder that a link leads to; it is remembered."""
        try:
            target = link.resolve(strict=False)
        except (OSError, RuntimeError):  # a loop of links
            return False
        if any(target.is_relative_to(own) or own.is_relative_to(target) for own in self._read):
            return False
        self._read.append(target)
        return True


def walk_files(root: Path) -> Iterator[Path]:
    """Yields the files in a folder and its subfolders, and in the folders that they link to.

    Args:
        root: The folder. What cannot be read in it is left out.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     clip = Path(name, "anna", "walk.npy")
        ...     clip.parent.mkdir()
        ...     clip.touch()
        ...     [path.name for path in walk_files(Path(name))]
        ['walk.npy']
    """
    links = Links(root)
    for folder, folders, names in os.walk(root, followlinks=True):
        here = Path(folder)
        kept = [
            n for n in sorted(folders) if not (here / n).is_symlink() or links.follows(here / n)
        ]
        folders[:] = kept
        yield from (here / name for name in sorted(names))
