"""What a dataset holds, as hashes that a run records and compares when it goes on."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset

CHUNK = 1 << 14  # rows that are hashed at a time
DIGITS = 16  # of each hash


def content_of(dataset: SkeletonDataset) -> dict[str, int | str]:
    """Number of clips and rows of a dataset, with hashes of its rows and of its table of clips.

    The hash of rows that lie in a store is taken from the store's manifest. That of the table is
    always computed, since tables may be filtered or labelled again.

    Example:
        >>> import keras_skeleton as ks
        >>> dataset = ks.load_dataset("synthetic", subjects=1, repetitions=1)
        >>> sorted(content_of(dataset))
        ['clips', 'frames', 'rows', 'samples']
    """
    table = dataset.samples.to_csv(index=False, lineterminator="\n")
    return {
        "clips": len(dataset),
        "frames": int(dataset.samples["frames"].sum()),
        "rows": _rows(dataset)[:DIGITS],
        "samples": hashlib.sha256(table.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS],
    }


def _rows(dataset: SkeletonDataset) -> str:
    # Joints that are mapped to another layout are those of the store in another order.
    rows = getattr(dataset.rows, "stored", dataset.rows)
    own, files = dataset.info.get("store"), dataset.info.get("files", {})
    if (
        own
        and isinstance(rows, np.memmap)
        and rows.filename is not None
        and Path(str(rows.filename)) == Path(own).resolve() / "rows.npy"
        and len(rows) == dataset.info["rows"]
    ):
        return str(files["rows.npy"]["sha256"])
    header = io.BytesIO()  # so that the hash is that of a store's file with the same rows
    facts = {"descr": "<f4", "fortran_order": False, "shape": tuple(rows.shape)}
    np.lib.format.write_array_header_1_0(header, facts)
    digest = hashlib.sha256(header.getvalue())
    for start in range(0, len(rows), CHUNK):
        digest.update(np.ascontiguousarray(rows[start : start + CHUNK], "<f4").tobytes())
    return digest.hexdigest()
