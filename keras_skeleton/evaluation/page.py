"""What a person reads of an experiment: a short text for the console and one HTML page.

Both are made from the dictionary of `report.merge_runs`. The page needs no other file and
no network: its style is in it and its pictures are in it. Everything that comes from files
is escaped.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from keras_skeleton.utils.files import read_bytes, refuse
from keras_skeleton.utils.text import percent

SPLITS = ("train", "validation", "test")
MAX_PICTURE = 16 << 20  # bytes
MAX_PICTURES = 24  # attention pictures on the page; each is some 100 kB of it
PAPER = "paper's convention (best epoch on test)"
LEGEND = """\
train, validation, test   clips of the fold
val                       validation accuracy at the selected epoch
selected, epoch           test accuracy at the epoch selected on validation clips: the result
last, epochs              test accuracy after the last epoch, and their number
best, epoch               highest test accuracy of any epoch: the papers' convention, too high
min                       minutes of training"""


def title_of(merged: Mapping[str, Any]) -> str:
    """'mans9 on ut_kinect (loocv)'."""
    return f"{merged['model']} on {merged['dataset']} ({merged['protocol']})"


def _headline(merged: Mapping[str, Any], key: str) -> str:
    return percent(merged[key], merged[key + "_std"] if merged["folds_done"] > 1 else None)


def _number(value: Any) -> str:
    return "-" if value is None else str(value)


def _fold_row(fold: Mapping[str, Any]) -> list[str]:
    clips = fold.get("clips") or {}
    seconds = fold.get("seconds")
    return [
        _number(fold["fold"]),
        *(_number(clips.get(part)) for part in SPLITS),
        percent(fold.get("validation_accuracy")),
        percent(fold["accuracy"]),
        _number(fold.get("epoch_selected")),
        percent(fold.get("accuracy_last")),
        _number(fold.get("epochs")),
        percent(fold.get("best_test_accuracy")),
        _number(fold.get("best_test_epoch")),
        "-" if seconds is None else f"{seconds / 60:.1f}",
    ]


def _mean_rows(merged: Mapping[str, Any]) -> list[list[str]]:
    """The rows under the folds' rows: mean and standard deviation; none for a single fold."""
    if merged["folds_done"] < 2:
        return []
    return [
        [
            name, "", "", "", percent(merged["validation_accuracy" + key]),
            percent(merged["accuracy" + key]), "", percent(merged["accuracy_last" + key]), "",
            percent(merged["best_test_accuracy" + key]), "", "",
        ]
        for name, key in (("mean", ""), ("std", "_std"))
    ]  # fmt: skip


def _missing(merged: Mapping[str, Any]) -> str:
    return (
        f"Incomplete: {merged['folds_done']} of {merged['folds_total']} folds are finished; "
        f"missing: {', '.join(map(str, merged['folds_missing']))}."
    )


def _pooled(merged: Mapping[str, Any]) -> str:
    return (
        f"All {merged['test_clips']} test clips together: {percent(merged['accuracy_pooled'])}, "
        f"top 5 {percent(merged['top5'])}, mean over classes "
        f"{percent(merged['mean_class_accuracy'])}."
    )


def _hours(merged: Mapping[str, Any]) -> str:
    hours = merged["hours"]
    return f"{60 * hours:.1f} minutes" if hours < 1 else f"{hours:.1f} hours"


def summary(merged: Mapping[str, Any]) -> str:
    """The short text for a console: the folds, then the three accuracies under their names."""
    head = ["fold", *SPLITS, "val", "selected", "epoch", "last", "epochs", "best", "epoch", "min"]
    rows = [head, *map(_fold_row, merged["folds"]), *_mean_rows(merged)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.rjust, row, widths)).rstrip() for row in rows]
    lines += ["", LEGEND]
    names = {
        "accuracy": "selected on validation",
        "accuracy_last": "last epoch",
        "best_test_accuracy": PAPER,
    }
    wide = max(map(len, names.values()))
    lines += ["", *(f"{name:{wide}}  {_headline(merged, key)}" for key, name in names.items())]
    lines += ["", _pooled(merged)]
    if not merged["complete"]:
        lines.append(_missing(merged))
    lines += [f"Note: {note}" for note in merged["notes"]]
    return "\n".join([f"{title_of(merged)}, trained for {_hours(merged)}", "", *lines])


_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.cards { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.5rem 0; }
.card { flex: 1 1 15rem; border: 1px solid #ccc; border-radius: 6px; padding: .8rem 1rem; }
.card.main { border: 2px solid #0072B2; }
.card b { display: block; font-size: 1.7rem; }
.card span, .what, figcaption { color: #555; font-size: .9rem; }
.warn { border-left: 4px solid #D55E00; padding: .4rem .8rem; background: #fdf3ec; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; }
th, td { padding: .25rem .45rem; border-bottom: 1px solid #ddd; text-align: right;
         font-variant-numeric: tabular-nums; vertical-align: bottom; }
th { border-bottom: 2px solid #999; }
td { white-space: nowrap; }
td.text, th.text { text-align: left; }
tr.last td { font-weight: bold; }
pre { background: #f4f4f4; padding: .6rem .8rem; overflow-x: auto; font-size: .85rem; }
img { max-width: 100%; height: auto; }
figure { margin: 1rem 0; }
"""


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    text: Iterable[int] = (),
    last: Iterable[Sequence[str]] = (),
) -> str:
    """A table of plain strings; the columns in `text` stand left, the rows of `last` are bold."""
    left = set(text)

    def line(cells: Sequence[str], tag: str, kind: str = "") -> str:
        styles = [' class="text"' if i in left else "" for i in range(len(cells))]
        inner = "".join(
            f"<{tag}{style}>{html.escape(cell)}</{tag}>"
            for cell, style in zip(cells, styles, strict=True)
        )
        return f"<tr{kind}>{inner}</tr>\n"

    body = line(head, "th") + "".join(line(row, "td") for row in rows)
    body += "".join(line(row, "td", ' class="last"') for row in last)
    return f'<div class="wide"><table>\n{body}</table></div>'


def _picture(path: Path, caption: str) -> str:
    picture = read_bytes(path, "a picture", MAX_PICTURE)
    if not picture.startswith(b"\x89PNG\r\n"):  # a link to a private file, say
        raise refuse(path, "is no PNG picture; take it out of the folder")
    data = base64.b64encode(picture).decode("ascii")
    text = html.escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _cards(merged: Mapping[str, Any]) -> str:
    cards = (
        (
            "accuracy", "card main", "Selected on validation",
            "The checkpoint that does best on validation clips held out of the training part. "
            "The test clips had no say in choosing it: this is the result.",
        ),
        ("accuracy_last", "card", "Last epoch", "The model as it was when training ended."),
        (
            "best_test_accuracy", "card", PAPER[0].upper() + PAPER[1:],
            "The epoch that does best on the test clips themselves: too high by construction, "
            "only for comparison with published numbers.",
        ),
    )  # fmt: skip
    return "\n".join(
        f'<div class="{style}">{html.escape(name)}<b>{_headline(merged, key)}</b>'
        f"<span>{html.escape(why)}</span></div>"
        for key, style, name, why in cards
    )


def _class_rows(table: pd.DataFrame) -> list[list[str]]:
    return [
        [
            str(row["class"]), str(row["clips"]), str(row["correct"]), percent(row["recall"]),
            percent(row["precision"]), str(row["confused_with"]), str(row["confused"] or ""),
        ]
        for row in table.to_dict("records")
    ]  # fmt: skip


_SHARES_TEXT = """
<h2>Attention where the action is</h2>
<p class="what">Shares of the attention that fall on the joints and on the frames that carry the
action, means over the test clips, beside what uniform attention would spend there.</p>
"""


def _share_rows(shares: pd.DataFrame) -> list[list[str]]:
    return [
        [str(row["class"]), str(row["clips"])]
        + [
            "-" if pd.isna(row[c]) else percent(row[c])
            for c in ("joints", "joints_uniform", "frames", "frames_uniform")
        ]
        for row in shares.to_dict("records")
    ]


_PARTS_TEXT = """
<h2>Weights of the parts</h2>
<p class="what">Means over the test clips; uniform weights are 33.3 %. The hand that acts is known
where the dataset tells which joints carry an action, and that is one hand.</p>
"""


def _part_rows(parts: pd.DataFrame) -> list[list[str]]:
    return [
        [str(row["class"]), str(row["clips"])]
        + ["-" if pd.isna(row[c]) else percent(row[c]) for c in parts.columns[2:]]
        for row in parts.to_dict("records")
    ]


def _facts(merged: Mapping[str, Any]) -> list[tuple[str, str]]:
    keys = (
        "model", "recipe", "parameters", "dataset", "clips", "skeleton", "protocol", "seed",
    )  # fmt: skip
    facts = [(key, _plain(merged[key])) for key in keys if key in merged]
    versions = merged["versions"]
    if isinstance(versions, dict):
        versions = ", ".join(f"{name} {_plain(version)}" for name, version in versions.items())
    return [*facts, ("versions", _plain(versions))]


def html_page(
    merged: Mapping[str, Any],
    classes: pd.DataFrame,
    figures: Mapping[str, Path],
    attention: Sequence[Path] = (),
    shares: pd.DataFrame | None = None,
    parts: pd.DataFrame | None = None,
) -> str:
    """The page as text.

    Args:
        merged: From `report.merge_runs`.
        classes: From `scores.per_class_table`.
        figures: PNG files by their captions.
        attention: More PNG files, shown with their names; at most `MAX_PICTURES` of them.
        shares: From `attention.attention_shares`, where it is known what carries the actions.
        parts: From `attention.part_weights`, of networks that weigh body parts.
    """
    warnings = [] if merged["complete"] else [_missing(merged)]
    warned = "\n".join(
        f'<p class="warn">{html.escape(text)}</p>' for text in [*warnings, *merged["notes"]]
    )
    over = ""
    if merged["folds_done"] > 1:
        over = f"Mean ± standard deviation over {merged['folds_done']} folds. "
    over += f"{_pooled(merged)} Training took {_hours(merged)}."
    folds = _table(
        (
            "fold", "training clips", "validation clips", "test clips", "validation accuracy",
            "selected on validation", "at epoch", "last epoch", "epochs", PAPER, "at epoch",
            "minutes",
        ),
        map(_fold_row, merged["folds"]),
        last=_mean_rows(merged),
    )  # fmt: skip
    class_head = ("class", "clips", "correct", "recall", "precision", "most confused with", "times")
    settings = merged.get("settings") or {}
    seen = ""
    if attention:
        more = len(attention) - MAX_PICTURES
        seen = "<h2>Attention</h2>\n" + "\n".join(
            _picture(path, path.stem) for path in attention[:MAX_PICTURES]
        )
        seen += f"\n<p>{more} more are in the runs' attention folders.</p>" if more > 0 else ""
    if shares is not None:
        seen += _SHARES_TEXT + _table(
            ("class", "clips", "joints", "if uniform", "frames", "if uniform"), _share_rows(shares),
            text=(0,),
        )  # fmt: skip
    if parts is not None:
        head = [name.replace("_", " ") for name in parts.columns]
        seen += _PARTS_TEXT + _table(head, _part_rows(parts), text=(0,))
    title = html.escape(title_of(merged))
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
{warned}
<div class="cards">
{_cards(merged)}
</div>
<p class="what">{html.escape(over)}</p>
<h2>Figures</h2>
{"".join(_picture(path, caption) for caption, path in figures.items())}
<h2>Classes</h2>
{_table(class_head, _class_rows(classes), text=(0, 5))}
<h2>Folds</h2>
{folds}
{seen}
<h2>What was run</h2>
<pre>{html.escape(_plain(merged["command"]))}</pre>
{_table(("what", "value"), _facts(merged), text=(0, 1))}
<h2>Recipe</h2>
{_table(("setting", "value"), [(str(k), _plain(v)) for k, v in settings.items()], text=(0, 1))}
</body>
</html>
"""
