"""The settings of a training in words, for reports.

Works on the plain values of `run.json`, so that it needs no recipe: settings that it does not know,
such as those of a new model, are shown under their own names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MOST = 6  # longer lists are counted, not shown
NAMES = {
    "batch_size": "clips per batch",
    "schedule": "learning rate over time",
    "clipnorm": "largest gradient norm of a weight",
    "preprocessing": "preprocessing",
    "read": "preprocessing",  # in files of version 0.1
    "model": "network",
    "dataset": "reader of the dataset",
    "augment": "random changes of training clips",
    "frames": "input frames",
    "jit": "compiled with XLA",
    "test_copies": "random copies of each test clip",
    "views": "sub-sequences of each test clip",
    "speed": "random speed, up to a factor of",
}
# Values that mean that a setting is not used.
UNUSED: dict[str, tuple[Any, ...]] = {
    "momentum": (0, 0.0),
    "nesterov": (False,),
    "clipnorm": (None,),
    "model": ({},),
    "dataset": ({},),
    "stages": ([],),
    "frames": (None,),
    "test_copies": (0,),
    "views": (1,),
}
SCHEDULES = {
    "Constant": "constant",
    "Cosine": "falls to zero along a cosine",
    "Plateau": "falls when the validation loss no longer does",
}
COMPILED = {"auto": "on GPUs, if all layers allow it", "small": "on GPUs and for small batches"}


def recipe_rows(settings: Mapping[str, Any]) -> tuple[list[tuple[str, str, str]], str]:
    """Settings of a training in words.

    Args:
        settings: `settings` of `run.json`, or of `report.merge_runs`.

    Returns:
        Rows of (setting, value, source), and the source of all others. Settings that are not used
        are left out.

    Example:
        >>> from keras_skeleton.evaluation.recipe_words import recipe_rows
        >>> settings = {"epochs": 20, "clipnorm": None, "sources": {"epochs": "paper, Sec. 4"}}
        >>> recipe_rows({**settings, "schedule": {"name": "Cosine", "warmup": 1}})[0]
        [('epochs', '20', 'paper, Sec. 4'), ('learning rate over time', \
'falls to zero along a cosine (warmup 1)', '')]
    """
    found = settings.get("sources")
    sources = {str(k): str(v) for k, v in found.items()} if isinstance(found, Mapping) else {}
    rest = sources.pop("all", "")
    rows = []
    for key, value in settings.items():
        unused = any(type(value) is type(no) and value == no for no in UNUSED.get(key, ()))
        if key == "stages" and isinstance(value, list):
            rows += [
                (f"stage {k}", _stage(stage), sources.get(key, "") if k == 1 else "")
                for k, stage in enumerate(value, 1)
            ]
        elif key != "sources" and not unused:
            name = NAMES.get(key, words(key))
            rows.append((name, _setting(key, value), sources.get(key, "")))
    return rows, rest


def words(name: str) -> str:
    """A name of the code as words.

    Example:
        >>> from keras_skeleton.evaluation.recipe_words import words
        >>> words("learning_rate"), words("RandomTemporalCrop"), words("lambda1")
        ('learning rate', 'random temporal crop', 'lambda 1')
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(name).replace("_", " "))
    apart = re.sub(r"(?<=lambda)(?=\d)", " ", apart)
    return apart.lower() if apart[:1].isupper() and not apart.isupper() else apart


def in_words(value: Any) -> str:
    """A plain value of a JSON file as words.

    Example:
        >>> from keras_skeleton.evaluation.recipe_words import in_words
        >>> in_words({"coordinates": "actor_displacement", "smooth": True, "degrees": [5, 20, 5]})
        'coordinates: actor displacement; smooth: yes; degrees: 5, 20, 5'
    """
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{words(k)}: {in_words(v)}" for k, v in value.items()) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) > MOST:
            return f"{len(value)} values"
        return ", ".join(map(in_words, value)) or "none"
    text = str(value)
    return words(text) if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", text) else text


def _setting(key: str, value: Any) -> str:
    if key == "optimizer" and value in ("adam", "sgd"):
        return {"adam": "Adam", "sgd": "SGD"}[value]
    if key == "schedule" and isinstance(value, Mapping) and str(value.get("name")) in SCHEDULES:
        return _with(SCHEDULES[str(value["name"])], {k: v for k, v in value.items() if k != "name"})
    if key == "augment" and isinstance(value, list):
        return "; ".join(map(_layer, value)) or "none"
    if key == "jit" and isinstance(value, str):
        return COMPILED.get(value, value)
    return in_words(value)


def _layer(layer: Any) -> str:
    """A layer of augmentation, stored as (class, arguments)."""
    if isinstance(layer, list) and len(layer) == 2 and isinstance(layer[1], Mapping):
        return _with(words(str(layer[0])), layer[1])
    return in_words(layer)


def _with(name: str, arguments: Mapping[str, Any]) -> str:
    listed = ", ".join(
        f"{words(k)} {f'({in_words(v)})' if isinstance(v, Mapping) else in_words(v)}"
        for k, v in arguments.items()
    )
    return f"{name} ({listed})" if listed else name


def _stage(stage: Any) -> str:
    """A stage of a joint training: what it does, how long, and which layers are trained."""
    if not isinstance(stage, Mapping) or "what" not in stage:
        return in_words(stage)
    parts = [str(stage["what"])]
    for key in ("iterations", "epochs"):
        if stage.get(key):
            parts.append(f"{in_words(stage[key])} {key}")
    trained = stage.get("train")
    if isinstance(trained, list) and any(trained):
        parts.append(f"trains {', '.join(map(in_words, trained))}")
    if isinstance(stage.get("recipe"), Mapping) and stage["recipe"]:
        parts.append(in_words(stage["recipe"]))
    return "; ".join(parts)
