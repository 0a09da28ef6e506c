"""Reads arrays and names of HDF5 files within limits that are known before reading.

A compressed chunk may unpack to a thousand times its size, whatever its declared shape, and many
names may refer to one long text in the file's heap. HDF5 allocates first and checks later.
"""

from __future__ import annotations

import mmap
import zlib

import h5py
import numpy as np

MOST_NAMES = 100_000  # in a file
LONGEST_NAME = 4096  # characters
MOST_NAME_BYTES = 1 << 20  # of fixed length, in one attribute; Keras splits them at 64 kB
MOST_HEAP_BYTES = 64 << 20  # of variable length, in one attribute
SPARE = 16 << 20  # bytes of a chunk that is larger than its array

DEFLATE, SHUFFLE, CHECKSUM = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, 3
HEAP = b"GCOL\1\0\0\0"  # a collection of texts of variable length; its size follows


def read_values(data: h5py.Dataset) -> np.ndarray:
    """The values of a dataset; needs no more memory than its shape says.

    Args:
        data: A dataset of numbers whose shape was checked.

    Raises:
        ValueError: It is compressed with another method than gzip, or unpacks to more.
    """
    if data.dtype.kind not in "biufc":
        raise ValueError(f"'{data.name:.80}' holds no numbers")
    if data.chunks is None:
        return np.asarray(data)
    size = int(np.prod([int(n) for n in data.chunks], dtype=object)) * data.dtype.itemsize
    if size > data.nbytes + SPARE:
        raise ValueError(f"'{data.name:.80}' has chunks of {size:,} bytes, more than its values")
    properties = data.id.get_create_plist()
    filters = [properties.get_filter(k)[0] for k in range(properties.get_nfilters())]
    if not set(filters) <= {DEFLATE, SHUFFLE, CHECKSUM} or filters.count(DEFLATE) > 1:
        raise ValueError(f"'{data.name:.80}' is compressed as Keras never does; not read")
    if filters:
        whole = data.file.id.get_filesize()
        for k in range(data.id.get_num_chunks()):
            place = data.id.get_chunk_info(k)
            if place.size > whole:
                raise ValueError(f"'{data.name:.80}' is damaged (a chunk is larger than the file)")
            mask, packed = data.id.read_direct_chunk(place.chunk_offset)
            _check_chunk(data.name, packed, size, filters, mask)
    return np.asarray(data)


def _check_chunk(name: str, packed: bytes, size: int, filters: list[int], mask: int) -> None:
    """Raises a ValueError if a chunk unpacks to more than `size` bytes."""
    if len(packed) > 2 * size + 1024:
        raise ValueError(f"'{name:.80}' is damaged (a chunk is larger than its values)")
    if DEFLATE not in filters or mask >> filters.index(DEFLATE) & 1:  # this chunk is not compressed
        return
    # The checksum may be made of the packed or of the unpacked bytes.
    most = size + 4
    try:
        unpacked = zlib.decompressobj().decompress(packed, most + 1)
    except zlib.error as error:
        raise ValueError(f"'{name:.80}' is damaged ({error})") from None
    if len(unpacked) > most:
        raise ValueError(f"'{name:.80}' has a chunk that unpacks to more than {size:,} bytes")


def read_names(group: h5py.Group, attribute: str) -> list[str]:
    """The names in an attribute, a text or an array of texts.

    Raises:
        ValueError: They are too many or too long.
    """
    found = group.attrs.get_id(attribute)
    count = int(np.prod([int(n) for n in found.shape], dtype=object)) if found.shape else 1
    if count > MOST_NAMES:
        raise ValueError(f"'{attribute:.80}' has {count} entries")
    kind = found.dtype
    if h5py.check_string_dtype(kind) is None:
        if kind.kind == "f" and not count:  # how NumPy writes an empty list
            return []
        raise ValueError(f"'{attribute:.80}' holds no names")
    if kind.hasobject:
        if count * _largest_heap(group.file) > MOST_HEAP_BYTES:
            raise ValueError(f"'{attribute:.80}' refers to texts that are too long for names")
    elif count * kind.itemsize > MOST_NAME_BYTES:
        raise ValueError(f"'{attribute:.80}' is too long for names")
    content = group.attrs[attribute]
    if isinstance(content, h5py.Empty):
        return []
    values = np.asarray(content).ravel().tolist()
    names = [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in values]
    if any(len(name) > LONGEST_NAME for name in names):
        raise ValueError(f"'{attribute:.80}' has a name of more than {LONGEST_NAME} characters")
    return names


def _largest_heap(file: h5py.File) -> int:
    """Size of the largest collection of texts of variable length in a file, in bytes."""
    largest = 0
    with open(file.filename, "rb") as raw:
        whole = raw.seek(0, 2)
        with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = content.find(HEAP)
            while at >= 0:
                size = int.from_bytes(content[at + 8 : at + 16], "little")
                largest = max(largest, min(size, whole))
                at = content.find(HEAP, at + 1)
    return largest
