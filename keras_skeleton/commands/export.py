"""Export a trained network to a file that runs without this package, with a script that predicts
raw clips, and compare the network and the file on test clips."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.commands.common import load, parser_for, start_keras, whole_number
from keras_skeleton.commands.network import (
    add_network_arguments,
    check_names,
    load_for,
    named_recipe,
    open_experiment,
    pretrained_entry,
    run_name,
    weights_file,
)
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.deploy.runtimes import SUFFIXES as FORMATS
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.packages import missing_packages
from keras_skeleton.zoo.entries import Entry

if TYPE_CHECKING:
    from keras_skeleton.dataset_recognizer import DatasetRecognizer
    from keras_skeleton.recognizer import Recognizer

# Names in the folder of an export; a SavedModel is a folder.
FILES = {
    format: f"model{suffix}" if suffix else "saved_model" for format, suffix in FORMATS.items()
}
NO_TFJS = (
    "--format tfjs: the last tensorflowjs, 4.22.0 of October 2024, cannot be installed with "
    "TensorFlow 2.21; use --format onnx, which ONNX Runtime Web runs in a browser"
)
NEAR = 1e-4  # tolerance of logits, relative to the largest logit (at least 1)


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("export", __doc__)
    add_network_arguments(parser)
    parser.add_argument(
        "--weights",
        required=True,
        metavar="WEIGHTS",
        help="load a network of the zoo by name, a run folder, a folder of Recognizer.save, a "
        "weights file, or 'pretrained'",
    )
    parser.add_argument(
        "--format",
        default="saved_model",
        help=f"choose one of {', '.join(FORMATS)} (default saved_model)",
    )
    parser.add_argument("--out", type=Path, help="write to this path (default: in exports/NAME/)")
    parser.add_argument(
        "--clips", type=whole_number(1), default=32, help="compare on N test clips (default 32)"
    )
    args = parser.parse_args(words)
    args.seed = 0
    if args.format == "tfjs":
        raise UserError(NO_TFJS)
    if args.format not in FORMATS:
        raise UnknownNameError("format", args.format, FORMATS)
    if args.format == "onnx" and (missing := missing_packages("tf2onnx", "onnx")):
        raise UserError(
            f"--format onnx: missing packages; run pip install {' '.join(missing)}, or install the "
            "extra keras_skeleton[onnx]"
        )
    saved = (Path(args.weights) / "recognizer.json").is_file()
    if not saved:
        check_names(args, data=False)
    entry = None if saved else pretrained_entry(args)
    name = Path(args.weights).name if saved else entry.name if entry else run_name(args)
    out: Path = args.out or Path("exports") / name / FILES[args.format]
    about = out.with_name(out.name + ".json")
    for path in (out, about):
        if path.exists():
            raise UserError(f"{path} already exists; choose another path with --out")

    start_keras()
    from keras_skeleton.deploy.standalone import random_batches, write_standalone

    recognizer, compared = _open(args, entry, out, saved)
    if compared is None or not len(compared.test):
        batches: Iterable[Any] = random_batches(recognizer.preprocessing, args.clips)
        clips = "random clips"
    else:
        test = compared.test[: args.clips]
        batches = (compared.inputs.batch(test[k : k + 1]) for k in range(len(test)))
        clips = f"test clips of {args.dataset}, {args.protocol}"
    calibration = recognizer.calibration
    files = write_standalone(
        recognizer.model,
        recognizer.preprocessing,
        recognizer.classes,
        out,
        args.format,
        temperature=1.0 if calibration is None else calibration.temperature,
        batches=batches,
        about={"model": recognizer.preprocessing.model, "weights": recognizer.name},
    )
    found = files.agreement
    if found is None:
        raise UserError(f"there are no test clips to compare {out} on; do not use it")
    print(f"{out}: {recognizer.preprocessing.model}, weights {recognizer.name}")
    print(
        f"compared on {found.clips} {clips}: logits differ by at most {found.difference:.1e} "
        f"(largest logit {found.largest:.1f}), same class for {found.same} clips"
    )
    print(f"{files.about}: inputs, preprocessing, joints and classes")
    if files.script is None:
        print(f"no predict.py: {files.why}")
    else:
        print(f"{files.script}: predicts raw clips without this package")
    if found.difference > NEAR * max(found.largest, 1.0):
        raise UserError(f"{out}: its outputs differ from the network's; do not use it")


def _open(
    args: argparse.Namespace, entry: Entry | None, out: Path, saved: bool
) -> tuple[Recognizer, DatasetRecognizer | None]:
    """The network, and the network with its dataset, if that can be found."""
    from keras_skeleton.checkpoints.weights import load_weights
    from keras_skeleton.dataset_recognizer import DatasetRecognizer
    from keras_skeleton.video.crops import open_crops
    from keras_skeleton.zoo.load import on_dataset
    from keras_skeleton.zoo.recognizers import load_recognizer, of_entry

    if saved:
        return load_recognizer(args.weights), None
    source = get_source(args.dataset)
    there = not source.needs_root or source.locate(args.data_dir) is not None
    crops = open_crops(args.crops) if args.crops else None
    if entry is not None:
        recognizer = of_entry(entry)
        if not there:
            return recognizer, None
        return recognizer, on_dataset(recognizer, load(args, dict(entry.options)), crops)
    weights = weights_file(args)
    if args.known is not None and weights.name == "best.weights.h5":
        fold = args.fold[0] if args.fold else None
        recognizer = load_recognizer(args.known.name, fold)
        return recognizer, on_dataset(recognizer, load_for(args), crops) if there else None
    source.find(args.data_dir)  # the dataset defines the network
    experiment = open_experiment(args, load_for(args), named_recipe(args), out)
    (number,) = experiment.check_folds(args.fold)[:1]
    network = experiment.build(any_length=True)
    load_weights(network, weights)
    own = DatasetRecognizer.of_network(experiment, network, number, str(weights))
    return own.recognizer, own
