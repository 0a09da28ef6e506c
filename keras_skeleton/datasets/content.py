"""What a dataset holds, as hashes that a run records and compares when it goes on."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CHUNK = 1 << 14  # rows that are hashed at a time
DIGITS = 16  # of each hash


def content_of(
    rows: np.ndarray, samples: pd.DataFrame, info: Mapping[str, Any]
) -> dict[str, int | str]:
    """Number of clips and rows of a dataset, with hashes of its rows and of its table of clips.

    The hash of rows that lie in a store is taken from the store's manifest. That of the table is
    always computed, since tables may be filtered or labelled again.

    Args:
        rows: Rows of the dataset.
        samples: Its table of clips.
        info: The manifest of its store, if it has one.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from keras_skeleton.datasets.content import content_of
        >>> samples = pd.DataFrame({"name": ["a", "b"], "frames": [20, 30]})
        >>> found = content_of(np.zeros((50, 25, 3), np.float32), samples, {})
        >>> found["clips"], found["frames"], len(found["rows"])
        (2, 50, 16)
    """
    table = samples.to_csv(index=False, lineterminator="\n")
    return {
        "clips": len(samples),
        "frames": int(samples["frames"].sum()),
        "rows": _hash(rows, info)[:DIGITS],
        "samples": hashlib.sha256(table.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS],
    }


def _hash(rows: np.ndarray, info: Mapping[str, Any]) -> str:
    # Joints that are mapped to another layout are those of the store in another order.
    rows = getattr(rows, "stored", rows)
    own = info.get("store")
    if (
        own
        and isinstance(rows, np.memmap)
        and rows.filename is not None
        and Path(str(rows.filename)) == Path(own).resolve() / "rows.npy"
        and len(rows) == info["rows"]
    ):
        return str(info["files"]["rows.npy"]["sha256"])
    header = io.BytesIO()  # so that the hash is that of a store's file with the same rows
    facts = {"descr": "<f4", "fortran_order": False, "shape": tuple(rows.shape)}
    np.lib.format.write_array_header_1_0(header, facts)
    digest = hashlib.sha256(header.getvalue())
    for start in range(0, len(rows), CHUNK):
        digest.update(np.ascontiguousarray(rows[start : start + CHUNK], "<f4").tobytes())
    return digest.hexdigest()
