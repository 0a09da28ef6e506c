"""Select coordinates and augmentation of the LSTM family for N-UCLA without using the test view.

    python benchmarks/choose_nucla_augmentation.py --data-dir PATH

An LSTM is trained on one of the two training views and tested on the other, in both directions: on
all clips of the view, without a selection of epochs. The best mean is the recipe `tuned`. Prints a
row per choice and direction as it comes (on one core 1 to 2 minutes each) and writes them to --out;
`--only NAME` runs one choice.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.evaluation.run_record import ALL_CLIPS
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recipes.shared import MIRRORED
from keras_skeleton.training.experiment import Experiment

SEED = 0
BASE = get_recipe("lstm", "nucla")
ROTATED = (("RandomRotation", {"degrees": (20, 60, 20)}), ("RandomScale", {"amount": 0.1}))
# The recipe of CSTA-CNN on this dataset.
LEVEL = (("RandomRotation", {"degrees": (10, 60, 10)}), ("RandomScale", {"amount": 0.1}), MIRRORED)
ACTOR = {"coordinates": "actor"}
BLURRED = (*BASE.augment, ("RandomSmoothNoise", {"stddev": 0.05}))
SIZES = (*BASE.augment, ("RandomSmoothNoise", {"stddev": 0.03}))
CHOICES = {  # name: preprocessing, augmentation
    "paper": (ACTOR, BASE.augment),
    "of CSTA-CNN": ({"coordinates": "first_spine", "tilt": 12.4, "unit": 0.2}, LEVEL),
    "hips": ({"coordinates": "hips", "tilt": 12.4, "unit": 0.2}, LEVEL),
    "mirror": (ACTOR, (*BASE.augment, MIRRORED)),
    "mirror, unit 0.2": ({**ACTOR, "unit": 0.2}, (*BASE.augment, MIRRORED)),
    "mirror, 60 degrees": (ACTOR, (*ROTATED, MIRRORED)),
    "mirror, smooth": ({**ACTOR, "smooth": True}, (*BASE.augment, MIRRORED)),
    "mirror, noise, frame rate": (ACTOR, (*BLURRED, ("RandomFrameRate", {"most": 1.5}), MIRRORED)),
    "mirror, noise, amplitude": (
        ACTOR,
        (*SIZES, ("RandomAmplitude", {"least": 0.7, "most": 1.2}), MIRRORED),
    ),
    "mirror, 60 degrees, unit 0.2": ({**ACTOR, "unit": 0.2}, (*ROTATED, MIRRORED)),
}


def between_views(dataset: SkeletonDataset) -> dict[int, Fold]:
    """The two folds of the training clips, by the view that is tested."""
    (fold,) = dataset.folds("cv")
    clips = np.union1d(fold.train, fold.validation)
    view = dataset.samples["view"].to_numpy()[clips]
    none = clips[:0]
    return {int(v): Fold(clips[view != v], none, clips[view == v]) for v in np.unique(view)}


def accuracies(name: str, dataset: SkeletonDataset, folder: Path) -> list[dict[str, object]]:
    """Trains one choice in both directions."""
    preprocessing, augment = CHOICES[name]
    experiment = Experiment(
        model="lstm",
        dataset=dataset,
        protocol="cv",
        recipe=replace(BASE, preprocessing=preprocessing, augment=augment),
        seed=SEED,
        folder=folder,
        log=lambda line: None,
        train_on=ALL_CLIPS,
    )
    folds = between_views(dataset)
    experiment.folds = list(folds.values())
    result = experiment.fit()
    assert result is not None
    each = [fold["accuracy"] for fold in result.metrics["folds"]]
    return [
        {"choice": name, "tested view": view, "clips": len(fold.test), "accuracy": f"{value:.4f}"}
        for (view, fold), value in zip(folds.items(), each, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--only", choices=CHOICES, metavar="NAME", help="run this choice alone")
    parser.add_argument("--out", type=Path, help="write the table to this CSV file")
    args = parser.parse_args()
    dataset = load_dataset("nucla", args.data_dir, args.cache_dir)
    rows = []
    for name in [args.only] if args.only else CHOICES:
        with tempfile.TemporaryDirectory() as folder:
            rows += accuracies(name, dataset, Path(folder) / "run")
        print(pd.DataFrame(rows[-2:]).to_string(index=False, header=len(rows) == 2), flush=True)
    if args.out:
        pd.DataFrame(rows).to_csv(args.out, index=False)


if __name__ == "__main__":
    main()
