"""Present the results of an experiment: a table for the console and an HTML page.

Both are created from the dictionary of `report.merge_runs`. The page is self-contained: styles and
figures are embedded, and it needs no network. All values from files are escaped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from keras_skeleton.evaluation.network_card import report_card
from keras_skeleton.evaluation.recipe_words import in_words, recipe_rows
from keras_skeleton.evaluation.run_record import ALL_CLIPS
from keras_skeleton.evaluation.swap_test import LEAST, NOT_MEASURED, NOTHING, readable, sentences
from keras_skeleton.utils.files import read_bytes, refuse
from keras_skeleton.utils.templates import render
from keras_skeleton.utils.text import percent

SPLITS = ("train", "validation", "test")
MAX_PICTURE = 16 << 20  # bytes
MAX_PICTURES = 24  # attention figures on the page, about 100 kB each
MAX_NAMES = 12  # classes listed in a sentence
NO_INFORMATION = "So it carries hardly any information about the clip that it is drawn for."
FRAMES_SHOWN = (
    "Above the poses of each clip is the network's attention to its frames, relative to its mean; "
    "at the dashed line, 1, every frame gets the same. Shaded, if known: the labeled action."
)
PARTS_SHOWN = "The crops of each clip that the network sees, with the weight of each body part."
# What the accuracies are called here, in tables and in the documentation.
ALL, SELECTED = "all training clips, last weights", "selected on validation clips"
LAST, BEST = "last epoch", "best epoch on test clips"
_LAST_COLUMNS = """\
last, epochs              test accuracy after the last epoch, number of epochs
best, epoch               best test accuracy of any epoch: papers' convention, biased upwards
min                       training time in minutes"""
LEGEND = f"""\
train, validation, test   number of clips in each split
val                       validation accuracy at the selected epoch
selected, epoch           test accuracy at the epoch selected on validation clips: main result
{_LAST_COLUMNS}"""
LEGEND_ALL = f"""\
train, test               number of clips in each split; no clips are held out
averaged                  test accuracy of the weights averaged over the last epochs: main result
{_LAST_COLUMNS}"""
_HELD_OUT = (2, 4, 6)  # columns of `_fold_row` that need validation clips


def title_of(merged: Mapping[str, Any]) -> str:
    """A title such as 'mans9 on ut_kinect (loocv)'."""
    return f"{merged['model']} on {merged['dataset']} ({merged['protocol']})"


def headline_name(merged: Mapping[str, Any]) -> str:
    """What the accuracy of a run is called: by which clips it was trained on."""
    return ALL if merged.get("train_on") == ALL_CLIPS else SELECTED


def _columns(merged: Mapping[str, Any], row: Sequence[str]) -> list[str]:
    """The cells of a row about folds that a run has."""
    hidden = _HELD_OUT if merged.get("train_on") == ALL_CLIPS else ()
    return [cell for k, cell in enumerate(row) if k not in hidden]


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
    """Rows with the mean and standard deviation over the folds; none for a single fold."""
    if merged["folds_done"] < 2:
        return []
    return [
        [
            name,
            "",
            "",
            "",
            percent(merged["validation_accuracy" + key]),
            percent(merged["accuracy" + key]),
            "",
            percent(merged["accuracy_last" + key]),
            "",
            percent(merged["best_test_accuracy" + key]),
            "",
            "",
        ]
        for name, key in (("mean", ""), ("std", "_std"))
    ]


def _missing(merged: Mapping[str, Any]) -> str:
    return (
        f"Incomplete: {merged['folds_done']} of {merged['folds_total']} folds are finished; "
        f"missing: {', '.join(map(str, merged['folds_missing']))}."
    )


def _pooled(merged: Mapping[str, Any]) -> str:
    # With five classes or fewer, every answer is among the best five.
    top = f"top-5 {percent(merged['top5'])}, " if len(merged["classes"]) > 5 else ""
    return (
        f"All {merged['test_clips']} test clips: accuracy {percent(merged['accuracy_pooled'])}, "
        f"{top}mean class accuracy "
        f"{percent(merged['mean_class_accuracy'])}."
    )


def _hours(merged: Mapping[str, Any]) -> str:
    hours = merged["hours"]
    return f"{60 * hours:.1f} minutes" if hours < 1 else f"{hours:.1f} hours"


def summary(merged: Mapping[str, Any]) -> str:
    """A short text for the console: a table of the folds, then the three accuracies."""
    everything = merged.get("train_on") == ALL_CLIPS
    own = "averaged" if everything else "selected"
    head = ["fold", *SPLITS, "val", own, "epoch", "last", "epochs", "best", "epoch", "min"]
    rows = [head, *map(_fold_row, merged["folds"]), *_mean_rows(merged)]
    rows = [_columns(merged, row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.rjust, row, widths)).rstrip() for row in rows]
    lines += ["", LEGEND_ALL if everything else LEGEND]
    names = {
        "accuracy": headline_name(merged),
        "accuracy_last": LAST,
        "best_test_accuracy": BEST,
    }
    wide = max(map(len, names.values()))
    lines += ["", *(f"{name:{wide}}  {_headline(merged, key)}" for key, name in names.items())]
    lines += ["", _pooled(merged)]
    if not merged["complete"]:
        lines.append(_missing(merged))
    lines += [f"Note: {note}" for note in merged["notes"]]
    return "\n".join([f"{title_of(merged)}, trained for {_hours(merged)}", "", *lines])


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _picture(path: Path, caption: str) -> tuple[str, str]:
    """Caption and Base64 content of a PNG file."""
    picture = read_bytes(path, "a picture", MAX_PICTURE)
    if not picture.startswith(b"\x89PNG\r\n"):  # e.g. a link to a private file
        raise refuse(path, "is not a PNG image; remove it from the folder")
    return caption, base64.b64encode(picture).decode("ascii")


MAIN = {
    SELECTED: "The main result: test accuracy of the checkpoint with the best validation accuracy. "
    "Validation clips are held out from the training clips; no test clip was used to select the "
    "checkpoint.",
    ALL: "The main result: no clips are held out and no epoch is selected; weights are averaged "
    "over the last fifth of the epochs.",
}
CARDS = (
    ("accuracy_last", LAST, "Test accuracy after the last epoch."),
    (
        "best_test_accuracy", BEST,
        "Best test accuracy of any epoch, the convention of most papers. It is biased upwards, "
        "since the epoch is selected on the test clips; use it only to compare with published "
        "numbers.",
    ),
)  # fmt: skip


def _cards(merged: Mapping[str, Any]) -> list[dict[str, str]]:
    main = headline_name(merged)
    return [
        {"name": name.capitalize(), "value": _headline(merged, key), "why": why}
        for key, name, why in (("accuracy", main, MAIN[main]), *CARDS)
    ]


def _class_rows(table: pd.DataFrame) -> list[list[str]]:
    return [
        [
            str(row["class"]),
            str(row["clips"]),
            str(row["correct"]),
            percent(row["recall"]),
            percent(row["precision"]),
            str(row["confused_with"]),
            str(row["confused"] or ""),
        ]
        for row in table.to_dict("records")
    ]


def _share_table(shares: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Head and rows, without what the network does not attend to."""
    columns = [
        c for what in ("joints", "frames") if shares[what].notna().any()
        for c in (what, f"{what}_uniform")
    ]  # fmt: skip
    head = ["class", "clips", *("uniform" if "_" in c else f"on {c}" for c in columns)]
    rows = [
        [str(row["class"]), str(row["clips"])]
        + ["-" if pd.isna(row[c]) else percent(row[c]) for c in columns]
        for row in shares.to_dict("records")
    ]
    return head, rows


def _part_rows(parts: pd.DataFrame) -> list[list[str]]:
    return [
        [str(row["class"]), str(row["clips"])]
        + ["-" if pd.isna(row[c]) else percent(row[c]) for c in parts.columns[2:]]
        for row in parts.to_dict("records")
    ]


def _swap_words(swap: pd.DataFrame | None, attends: bool) -> list[tuple[str, bool]]:
    """Sentences, each with whether this attention carries no information about the clip."""
    if swap is None:
        return [(NOT_MEASURED, False)] if attends else []
    rows = [{str(k): v for k, v in row.items()} for row in swap.to_dict("records")]
    found = [row["verdict"] for row in rows if row["swap"] == "other"]
    return [
        (f"{text} {NO_INFORMATION}" if said == NOTHING else text, said == NOTHING)
        for text, said in zip(sentences(rows), found, strict=True)
    ]


def _missed(shares: pd.DataFrame, what: str) -> str:
    """Which classes' attention falls on the action no more than uniform attention would."""
    known = shares[shares[what].notna() & shares[f"{what}_uniform"].notna()]
    more = known[what] - known[f"{what}_uniform"] >= LEAST
    missed = known[~more]["class"].astype(str).tolist()
    if not len(known):
        return ""
    if not missed:
        return (
            f"In every class, more attention to {what} than uniform attention falls on the action."
        )
    which = f"In all {len(known)} classes"
    listed = ""
    if len(missed) < len(known):
        which = f"In {len(missed)} of {len(known)} classes"
        listed = ": " + ", ".join(missed[:MAX_NAMES])
        listed += ", ..." if len(missed) > MAX_NAMES else ""
    return (
        f"{which}, the share of attention to {what} on the action is less than "
        f"{100 * LEAST:.0f} point above that of uniform attention: it does not say where the "
        f"action is{listed}."
    )


FACTS = {
    "model": "network",
    "recipe": "recipe",
    "parameters": "parameters",
    "dataset": "dataset",
    "clips": "clips",
    "skeleton": "skeleton",
    "protocol": "protocol",
    "train_on": "trained on",
    "weights": "weights",
    "seed": "seed",
}
TRAINED_ON = {
    "part": "the training clips without the validation clips",
    ALL_CLIPS: "all training clips",
}


def _fact(key: str, value: Any) -> str:
    if key == "train_on" and isinstance(value, str):
        return TRAINED_ON.get(value, value)
    return value if isinstance(value, str) else in_words(value)


def _facts(merged: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [(name, _fact(key, merged[key])) for key, name in FACTS.items() if key in merged]
    versions = merged["versions"]
    if isinstance(versions, dict):
        versions = ", ".join(f"{name} {_plain(version)}" for name, version in versions.items())
    return [*facts, ("versions", _plain(versions))]


def html_page(
    merged: Mapping[str, Any],
    classes: pd.DataFrame,
    figures: Mapping[str, Path],
    attention: Sequence[tuple[Path, str]] = (),
    shares: pd.DataFrame | None = None,
    parts: pd.DataFrame | None = None,
    swap: pd.DataFrame | None = None,
) -> str:
    """Renders the HTML page.

    Args:
        merged: Result of `report.merge_runs`.
        classes: Result of `scores.per_class_table`.
        figures: PNG files by caption.
        attention: Attention figures (PNG files) with their captions; at most `MAX_PICTURES` are
            shown.
        shares: Result of `attention.shares.attention_shares`, for datasets with ground truth.
        parts: Result of `attention.shares.part_weights`, for networks with body-part attention.
        swap: Result of `swap_test.summarize`, if attention was scored.
    """
    overall = ""
    if merged["folds_done"] > 1:
        overall = f"Mean ± standard deviation over {merged['folds_done']} folds. "
    share_head, share_rows = ([], []) if shares is None else _share_table(shares)
    settings, rest = recipe_rows(merged.get("settings") or {})
    return render(
        Path(__file__).with_suffix(".html"),
        title=title_of(merged),
        warnings=[*([] if merged["complete"] else [_missing(merged)]), *merged["notes"]],
        cards=_cards(merged),
        overall=f"{overall}{_pooled(merged)} Training took {_hours(merged)}.",
        figures=[_picture(path, caption) for caption, path in figures.items()],
        classes=_class_rows(classes),
        fold_head=_columns(
            merged,
            [
                "fold",
                "training clips",
                "validation clips",
                "test clips",
                "validation accuracy",
                headline_name(merged),
                "at epoch",
                LAST,
                "epochs",
                BEST,
                "at epoch",
                "minutes",
            ],
        ),
        folds=[_columns(merged, _fold_row(fold)) for fold in merged["folds"]],
        fold_means=[_columns(merged, row) for row in _mean_rows(merged)],
        attention=[_picture(path, caption) for path, caption in attention[:MAX_PICTURES]],
        attention_note=PARTS_SHOWN if parts is not None else FRAMES_SHOWN,
        more_pictures=len(attention) - MAX_PICTURES,
        share_head=share_head,
        shares=share_rows,
        missed=[]
        if shares is None
        else [text for what in ("joints", "frames") if (text := _missed(shares, what))],
        part_head=[] if parts is None else [name.replace("_", " ") for name in parts.columns],
        parts=[] if parts is None else _part_rows(parts),
        swap_words=_swap_words(swap, bool(attention)),
        swap_head=[] if swap is None else [*readable(swap)],
        swap=[] if swap is None else readable(swap).to_numpy().tolist(),
        command=_plain(merged["command"]),
        network=report_card(merged, classes),
        facts=_facts(merged),
        settings=settings,
        rest=rest,
    )
