"""Select coordinates for UT-Kinect without using test clips.

    python benchmarks/choose_coordinates.py --data-dir PATH

For every leave-one-sequence-out fold, the coordinates are selected on its training clips by an
inner leave-one-sequence-out evaluation of a kernel ridge classifier, on clips interpolated to 50
frames. The test sequence of the fold is not used. Takes about a minute; the result is stored as
JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from keras_skeleton import load_dataset
from keras_skeleton.transforms.image import mans_image

COORDINATES = ("body", "hips", "camera")


def kernel(features: np.ndarray) -> np.ndarray:
    """Gaussian kernel (n, n) whose width is given by the median distance."""
    squares = (features**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * features @ features.T
    return np.exp(-2 * distances / np.median(distances))


def correct(gram: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> int:
    """Number of test clips that kernel ridge classifies correctly."""
    targets = np.eye(labels.max() + 1)[labels[train]]
    weights = np.linalg.solve(gram[np.ix_(train, train)] + 1e-3 * np.eye(len(train)), targets)
    return int(((gram[np.ix_(test, train)] @ weights).argmax(axis=1) == labels[test]).sum())


def accuracy(gram: np.ndarray, labels: np.ndarray, groups: np.ndarray, used: np.ndarray) -> float:
    """Leave-one-group-out accuracy on the clips `used`."""
    right = 0
    for group in np.unique(groups[used]):
        inside = groups[used] == group
        right += correct(gram, labels, used[~inside], used[inside])
    return right / len(used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--out", type=Path, help="write the table to this JSON file")
    args = parser.parse_args()

    dataset = load_dataset("ut_kinect", args.data_dir, args.cache_dir)
    labels = dataset.labels
    groups = dataset.samples.groupby(["subject", "repetition"]).ngroup().to_numpy()
    grams = {}
    for name in COORDINATES:
        images = [
            mans_image(dataset.clip(i), 50, dataset.skeleton, "interpolate", "interpolate", name)
            for i in range(len(dataset))
        ]
        grams[name] = kernel(np.stack(images).reshape(len(dataset), -1).astype(float))

    folds = []
    for fold in dataset.folds("loocv"):
        training = np.sort(np.concatenate([fold.train, fold.validation]))
        inner = {name: accuracy(gram, labels, groups, training) for name, gram in grams.items()}
        chosen = max(inner, key=inner.__getitem__)
        right = correct(grams[chosen], labels, training, fold.test)
        folds.append({"inner": inner, "chosen": chosen, "test": right / len(fold.test)})

    print(f"{'coordinates':<14}{'inner accuracy, mean':>22}{'chosen in folds':>18}")
    for name in COORDINATES:
        mean = np.mean([fold["inner"][name] for fold in folds])
        times = sum(fold["chosen"] == name for fold in folds)
        print(f"{name:<14}{100 * mean:>20.2f} %{times:>18}")
    test = 100 * np.mean([fold["test"] for fold in folds])
    print(f"accuracy of kernel ridge with the selected coordinates on test sequences: {test:.2f} %")
    if args.out:
        command = "python benchmarks/choose_coordinates.py --data-dir PATH"
        args.out.write_text(json.dumps({"command": command, "folds": folds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
