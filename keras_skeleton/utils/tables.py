"""Tables in CSV files: read within limits, and written so that a spreadsheet runs no cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from keras_skeleton.utils.files import TEXT, read_text, refuse, write_text
from keras_skeleton.utils.text import from_spreadsheet_cell, spreadsheet_cell

COLUMNS = 4096  # of a table; the matrix of confusions has one for each class


def read_table(
    path: str | Path,
    what: str,
    most: int = TEXT,
    columns: int = COLUMNS,
    dtype: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Reads a CSV file; undoes `write_table`.

    pandas fills lines that are shorter than the first, so that a small file may become a table of
    gigabytes. Here all lines have as many fields as the first one.

    Args:
        path: The file.
        what: The expected content, for error messages.
        most: Largest size allowed, in bytes.
        columns: Largest number of columns allowed.
        dtype: Data types by column, as for pandas.

    Raises:
        FileError: The file is too large or has too many columns.
        FileNotFoundError: There is no file.
        ValueError: It is not a table; pandas raises errors of this type, too.
    """
    text = read_text(path, what, most=most)
    width = 0
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        for words in lines:
            if not words:
                continue
            width = width or len(words)
            if width > columns:
                raise refuse(path, f"has more than {columns:,} columns, too many for {what}")
            if len(words) != width:
                raise ValueError(
                    f"line {lines.line_num} has {len(words)} fields, the first line {width}"
                )
    except csv.Error as error:
        raise ValueError(f"line {lines.line_num}: {error}") from None
    table = pd.read_csv(io.StringIO(text), dtype=dtype, index_col=False)
    return _cells(table, from_spreadsheet_cell)


def table_text(table: pd.DataFrame, **options: Any) -> str:
    """The text of a CSV file of a table; cells that look like formulas begin with `'`.

    Args:
        table: The table.
        **options: Options of `DataFrame.to_csv`.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.utils.tables import table_text
        >>> print(table_text(pd.DataFrame({"class": ["=1+1"], "clips": [-2]}), index=False), end="")
        class,clips
        '=1+1,-2
    """
    return _cells(table, spreadsheet_cell).to_csv(**{"lineterminator": "\n"} | options)


def write_table(table: pd.DataFrame, path: str | Path, **options: Any) -> None:
    """Writes a CSV file atomically, see `table_text`."""
    write_text(path, table_text(table, **options))


def _cells(table: pd.DataFrame, change: Any) -> pd.DataFrame:
    """Applies a function to all text of a table: cells, index and names of columns."""

    def changed(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    table = table.rename(columns=changed)
    if not isinstance(table.index, pd.RangeIndex):
        table = table.rename(index=changed)
    for k, kind in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            table.isetitem(k, table.iloc[:, k].map(changed))
    return table
