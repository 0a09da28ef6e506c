"""All files of a folder and its subfolders, also where subfolders are links to other disks."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from keras_skeleton.utils.errors import DatasetError


def not_a_file(path: Path) -> str:
    """Why a path that is there cannot be read as a file; empty if it can, and if nothing is there.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.utils.folders import not_a_file
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "a").symlink_to("/none")
        ...     not_a_file(Path(folder)), not_a_file(Path(folder, "a")), not_a_file(Path("/none"))
        ('is a folder', 'is a link to /none, which is not there', '')
    """
    try:
        mode = path.lstat().st_mode
        link = stat.S_ISLNK(mode)
        if link:
            mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(path):
            return ""
        return f"is a link to {os.path.realpath(path)}, which is not there"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a link that leads back to itself"
        return f"cannot be read: {error.strerror}"
    if stat.S_ISREG(mode):
        return "" if os.access(path, os.R_OK) else "cannot be read: there is no permission"
    what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
    return f"is a link to {os.path.realpath(path)}, which is {what}" if link else f"is {what}"


def is_there(path: Path) -> bool:
    """Whether there is a file; one that cannot be read is an error, as it may not be missed.

    Raises:
        DatasetError: Something of this name is there, but is no file that can be read.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.utils.folders import is_there
        >>> is_there(Path("/none"))
        False
    """
    if why := not_a_file(path):
        raise DatasetError(f"{path}: {why}")
    return os.path.lexists(path)


class Links:
    """Decides which links to folders are followed: those that lead out of the root folder.

    A link to a folder inside the root, or to one that another link has led to, is not followed, so
    that no file is read twice; neither is one to a folder that contains the root, which would never
    end.

    Args:
        root: The folder that is searched.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.utils.folders import Links
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
        >>> from pathlib import Path
        >>> from keras_skeleton.utils.folders import walk_files
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
