"""Model cards: what a file of the zoo is, its intended use and its limits.

    weights/cards/NAME.md   one card per entry, in the format of Hugging Face's model cards:
                            metadata in YAML, then Markdown

A card is made from the entry, its calibration, its swap test and `card_facts`, and from nothing
else. Needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_skeleton.evaluation.calibration import FILE as CALIBRATION
from keras_skeleton.evaluation.calibration import KEPT, read_calibration
from keras_skeleton.evaluation.network_card import DATA, UNKNOWN, Data
from keras_skeleton.evaluation.run_record import ALL_CLIPS
from keras_skeleton.evaluation.swap_test import NOT_MEASURED, sentences
from keras_skeleton.skeletons import SKELETONS
from keras_skeleton.utils.files import write_text
from keras_skeleton.utils.text import markdown_table, percent
from keras_skeleton.zoo.card_facts import LIMITS, MODELS, ORDER
from keras_skeleton.zoo.entries import ZOO, Entry
from keras_skeleton.zoo.swaps import recorded_swap

FOLDER = "cards"
DETECTION = "detection"
VIDEO = "pose_i3d"  # takes crops of videos
NO_ATTENTION = ("lstm",)
TASKS = {
    "recognition": "Action recognition from skeletons",
    DETECTION: "Action detection in recordings of skeletons",
}


def card(entry: Entry, folder: Path = ZOO) -> str:
    """The model card of an entry.

    Args:
        entry: The entry.
        folder: Folder of the zoo, for the calibration and the swap test.

    Example:
        >>> from keras_skeleton.zoo.card import card
        >>> print(card(find_entry("mans9", "ut_kinect", "cs")))  # doctest: +SKIP
    """
    what, paper, page = MODELS.get(entry.model, (f"the model {entry.model}", "", "predict.md"))
    data = DATA.get(entry.dataset, UNKNOWN)
    title = data.title or entry.dataset
    parts = [
        _metadata(entry, title),
        f"# {entry.name}",
        f"{what[0].upper()}{what[1:]}. Trained on {title}, for use with keras_skeleton. "
        f"The page `docs/{page}` of the project describes the method.",
        "## Intended use",
        _bullets(_uses(entry)),
        "## Input and output",
        _bullets(_input(entry)),
        "## How to load it",
        _loading(entry),
        "## Training data",
        _bullets(_data(entry, data)),
        "## Results",
        *_figures(entry),
        "## Attention",
        _attention(entry, folder),
    ]
    if entry.task != DETECTION:
        parts += ["## Calibration", _calibration(entry, folder)]
    parts += [
        "## Limits",
        _bullets(_limits(entry, data)),
        "## Training",
        _training(entry),
        "## Files",
        markdown_table(
            ["file", "SHA-256"], [[f"`{file}`", f"`{sha}`"] for file, sha in entry.files.items()]
        ),
        "Weights and code are under the licence Apache-2.0. That does not change the terms of the "
        "training data.",
        "## Citation",
        _bullets(
            [
                *([paper] if paper else []),
                *([data.citation] if data.citation else []),
                "keras_skeleton, by the file `CITATION.cff` of the project.",
            ]
        ),
    ]
    return "\n\n".join(parts) + "\n"


def write_card(entry: Entry, folder: Path = ZOO, out: Path | None = None) -> None:
    """Writes the card of an entry, to `cards/NAME.md` in the zoo by default."""
    write_text(out or folder / FOLDER / f"{entry.name}.md", card(entry, folder))


def write_cards(entries: Sequence[Entry], folder: Path = ZOO, out: Path | None = None) -> Path:
    """Writes the cards of entries and removes those of entries that are gone.

    Args:
        entries: All entries of the zoo.
        folder: Folder of the zoo.
        out: Where to write them, `cards` in the zoo by default.

    Returns:
        The folder of the cards.
    """
    target = folder / FOLDER if out is None else out
    target.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        write_card(entry, folder, target / f"{entry.name}.md")
    if out is None:
        kept = {f"{entry.name}.md" for entry in entries}
        for path in target.glob("*.md"):
            if path.name not in kept:
                path.unlink()
    return target


# ---------------------------------------------------------------- metadata


def _metadata(entry: Entry, title: str) -> str:
    detects = entry.task == DETECTION
    tags = [
        "keras",
        "skeleton",
        "pose",
        "action-detection" if detects else "action-recognition",
        *([] if entry.model in NO_ATTENTION else ["attention"]),
        entry.model,
    ]
    metrics = [
        {"type": "mean_average_precision", "value": value, "name": f"mAP, {name} overlap"}
        for name, value in entry.figures.items()
    ]
    if not detects:
        metrics = [
            {"type": "accuracy", "value": entry.figures.get("accuracy"), "name": _chosen(entry)}
        ]
    content = {
        "license": "apache-2.0",
        "library_name": "keras",
        "tags": tags,
        "datasets": ["ut_kinect", "nucla"] if entry.dataset == "film" else [entry.dataset],
        "metrics": ["mean_average_precision" if detects else "accuracy"],
        "model-index": [
            {
                "name": entry.name,
                "results": [
                    {
                        "task": {"type": "video-classification", "name": TASKS[entry.task]},
                        "dataset": {
                            "type": entry.dataset,
                            "name": title,
                            "config": entry.protocol,
                            "split": "test",
                        },
                        "metrics": metrics,
                    }
                ],
            }
        ],
    }
    return "\n".join(["---", *_yaml(content), "---"])


def _yaml(value: Any, depth: int = 0) -> Iterator[str]:
    """Lines of YAML; texts and numbers as in JSON, which YAML reads."""
    indent = "  " * depth
    items = value.items() if isinstance(value, Mapping) else ((None, item) for item in value)
    for key, item in items:
        start = f"{indent}- " if key is None else f"{indent}{key}:"
        if not isinstance(item, (Mapping, list)):
            yield f"{start.rstrip()} {json.dumps(item)}"
        elif key is None:
            first, *rest = _yaml(item, depth + 1)
            yield f"{start}{first.lstrip()}"
            yield from rest
        else:
            yield start
            yield from _yaml(item, depth + 1)


# ---------------------------------------------------------------- text


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _chosen(entry: Entry) -> str:
    if entry.train_on == ALL_CLIPS:
        return "these weights: the mean of the last epochs, all training clips"
    return "these weights: the epoch selected on validation clips"


def _uses(entry: Entry) -> list[str]:
    names = ", ".join(f"`{name}`" for name in entry.classes)
    good = "Finding" if entry.task == DETECTION else "Telling apart"
    where = " in recordings of skeletons" if entry.task == DETECTION else ""
    last = (
        "Not for finding actions in a long recording: a clip is one action. Use a detector."
        if entry.task != DETECTION
        else "Not for single clips that hold one action: use a recognition network."
    )
    if entry.dataset == "film":
        last = "Films are labelled in windows (`keras-skeleton predict film.mp4`)."
    return [
        f"{good} these {len(entry.classes)} actions{where}: {names}.",
        "Research and teaching: to reproduce a figure"
        + (", " if entry.model in NO_ATTENTION else ", to study attention, ")
        + "to start your own training from these weights (`--init-weights`).",
        last,
        "Not for decisions about people: not for surveillance, medicine, or safety.",
    ]


def _input(entry: Entry) -> list[str]:
    joints = f"`{entry.skeleton}`"
    if entry.skeleton in SKELETONS:
        joints += f", {len(SKELETONS[entry.skeleton].joints)} joints"
    people = entry.arguments.get("bodies") or entry.bodies
    frames = f"brought to {entry.frames} frames" if entry.frames else "of any length"
    thing = "recording" if entry.task == DETECTION else "clip"
    lines = [
        f"Input: joints in metres, `float32` `(T, V, 3)` or `(T, M, V, 3)`; layout {joints}"
        + (f"; up to {people} {'person' if people == 1 else 'people'}" if people else "")
        + f"; a {thing} {frames}.",
        "Preprocessing is built in: "
        + (", ".join(f"{k} {v}" for k, v in entry.preprocessing.items()) or "that of the model")
        + ".",
    ]
    lines.append(
        "Output: actions with start and end (frames, end excluded) and score."
        if entry.task == DETECTION
        else "Output: probabilities of the classes, whether the answer is unsure"
        + ("." if entry.model in NO_ATTENTION else ", and attention.")
    )
    return lines


def _loading(entry: Entry) -> str:
    lines = ["import keras_skeleton as ks", ""]
    if entry.task == DETECTION:
        code = [
            "from keras_skeleton.zoo.detectors import load_detector",
            "",
            f'detector = load_detector("{entry.name}")',
            'found = detector.detect_recording("recording.npy")',
            "found.table  # one row per action: label, start, end, score",
        ]
        command = f"keras-skeleton detect --weights {entry.name} --stream RECORDING"
    elif entry.model == VIDEO:
        code = [
            *lines[:1],
            "from keras_skeleton.video.crops import open_crops",
            "from keras_skeleton.zoo.load import on_dataset",
            "",
            f'network = ks.load_recognizer("{entry.name}")',
            f'dataset = ks.load_dataset("{entry.dataset}", **network.about["options"])',
            'recognizer = on_dataset(network, dataset, open_crops("crops"))',
            "recognizer.score()",
        ]
        command = f"keras-skeleton zoo --check --name {entry.name} --crops crops"
    else:
        code = [
            *lines,
            f'recognizer = ks.load_recognizer("{entry.name}")',
            "prediction = recognizer.predict(clip)  # a clip or a list of clips",
            "prediction.label, prediction.probability, prediction.unsure",
        ]
        if entry.model not in NO_ATTENTION:
            code.append("recognizer.attention(clip)")
        command = f"keras-skeleton predict clip.npy --weights {entry.name}"
    return (
        "\n".join(["```python", *code, "```", "", "```sh", command, "```"])
        + "\n\nThe folder `weights/` of the project is found in a checkout, in the current folder, "
        "or by the environment variable `KERAS_SKELETON_WEIGHTS`."
    )


def _data(entry: Entry, data: Data) -> list[str]:
    lines = [data.content] if data.content else []
    given = {key: value for key, value in entry.options.items() if value != ""}
    options = ", ".join(f"{key} {value}" for key, value in given.items())
    split = f"Dataset `{entry.dataset}`, protocol `{entry.protocol}`"
    split += f", fold {entry.fold} of {entry.folds}" if entry.folds > 1 else ""
    split += f"; reader options: {options}" if options else ""
    if entry.train_on == ALL_CLIPS:
        held = "All training clips were used, none was held out."
    elif entry.model in ("gate_u", "gate_b"):
        held = "Nothing was held out: no epoch and no threshold is chosen in a training."
    else:
        held = "Validation clips were held out of the training clips."
    return [*lines, f"{split}. {held}", f"Licence of the data: {data.licence}"]


def _figures(entry: Entry) -> Iterator[str]:
    n = entry.test_clips
    once = (
        f"One training with seed {entry.seed}. Other seeds give different figures; where several "
        "were run, `docs/results.md` has their mean and standard deviation."
    )
    if entry.task == DETECTION:
        methods = list(dict.fromkeys(name.partition(" at ")[0] for name in entry.figures))
        overlaps = list(dict.fromkeys(name.partition(" at ")[2] for name in entry.figures))
        yield (
            f"Mean average precision in percent on {n} test recordings by the rule of Song et al. "
            "(TIP 2018, Eqs. 10 to 13), by the minimum overlap (intersection over union) with the "
            "annotated action. Within this training nothing was chosen on test recordings."
        )
        yield markdown_table(
            ["method", *(f"overlap {overlap}" for overlap in overlaps)],
            [
                [f"`{m}`", *(percent(entry.figures.get(f"{m} at {o}"), unit="") for o in overlaps)]
                for m in methods
            ],
        )
        yield once
        return
    accuracy = entry.figures.get("accuracy")
    yield f"Accuracy in percent on {n} test clips."
    rows = [
        (_chosen(entry), accuracy),
        ("last epoch of the same training", entry.figures.get("accuracy_last")),
        (
            "best epoch on the test clips, as papers do; biased upwards",
            entry.figures.get("best_test_accuracy"),
        ),
        ("these weights on validation clips", entry.figures.get("validation_accuracy")),
        (f"chance: one of {len(entry.classes)} classes at random", 1 / len(entry.classes)),
    ]
    yield markdown_table(
        ["weights", "accuracy"], [[name, percent(value, unit="")] for name, value in rows]
    )
    if accuracy is not None:
        low, high = wilson(accuracy, n)
        yield (
            f"The 95 % interval of the first figure is {percent(low, unit='')} to "
            f"{percent(high)} (Wilson; it takes clips as independent, which clips of the same "
            f"person are not). {once}"
        )
    else:
        yield once


def wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share of n by Wilson's score.

    Example:
        >>> from keras_skeleton.zoo.card import wilson
        >>> [round(end, 3) for end in wilson(0.9, 100)]
        [0.826, 0.945]
    """
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


def _attention(entry: Entry, folder: Path) -> str:
    if entry.model in NO_ATTENTION:
        return "This network has no attention."
    if entry.task == DETECTION:
        return (
            "The attention to frames finds the actions; the results above say how well. The swap "
            "test is for recognition networks only."
        )
    if entry.model == VIDEO:
        return (
            "The attention weights three streams, once for a video. Its swap test was not run. The "
            "weights show which part the network reads, not which part acts."
        )
    rows = recorded_swap(entry, folder)
    if not rows:
        return NOT_MEASURED
    return (
        "The swap test classifies each test clip with attention that is not its own. Cost in "
        "percentage points of accuracy, with 95 % intervals over clips:\n\n"
        + _bullets(sentences(rows))
    )


def _calibration(entry: Entry, folder: Path) -> str:
    file = next((name for name in entry.files if name.endswith(CALIBRATION)), None)
    found = read_calibration(folder / file) if file and (folder / file).is_file() else None
    if found is None:
        return "None: probabilities are the network's own, and no answer is marked as unsure."
    return (
        f"Logits are divided by {found.temperature:.3g}, fitted on {found.clips} validation clips. "
        f"An answer is *unsure* if its probability is below {found.min_probability:.3g} or the "
        f"clip is farther from the training clips than {100 * KEPT:.0f} % of the validation clips. "
        "This is only a hint: `docs/predict.md` says how often it is right."
    )


def _limits(entry: Entry, data: Data) -> list[str]:
    own = [
        *LIMITS.get((entry.model, entry.dataset), ()),
        *LIMITS.get((entry.model, "*"), ()),
        *data.limits,
    ]
    if entry.task == DETECTION and entry.dataset == "ut_kinect":
        own.append(ORDER)
    if entry.task != DETECTION and "none" not in entry.classes:
        own.append(
            "It always predicts one of its classes, even for an action that it was not trained on."
        )
    return own


def _training(entry: Entry) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in entry.versions.items())
    note = f" Note: {entry.note}." if entry.note else ""
    own = not MODELS.get(entry.model, ("", "", ""))[1] and entry.recipe == "paper"
    recipe = f"Recipe `{entry.recipe}`{' (the name of the default recipe)' if own else ''}"
    return (
        f"{recipe}, seed {entry.seed}, {entry.date}; {versions}.{note}\n\n"
        f"```sh\n{entry.command}\n```\n\n"
        f"`keras-skeleton zoo --check --name {entry.name}` computes the results again."
    )
