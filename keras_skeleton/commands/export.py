"""Export a trained network to a file that runs without this package, with a script that predicts
raw clips, and compare the network and the file on test clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_skeleton.commands.common import load, parser_for, start_keras, whole_number
from keras_skeleton.commands.network import (
    add_network_arguments,
    check_names,
    load_for,
    named_recipe,
    open_experiment,
    open_pretrained,
    pretrained_entry,
    run_name,
    weights_file,
)
from keras_skeleton.deploy.runtimes import SUFFIXES as FORMATS
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.packages import missing_packages
from keras_skeleton.zoo.entries import checked_files

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
        metavar="FILE",
        help="load a weights file, a run folder, or 'pretrained'",
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
    check_names(args)
    entry = pretrained_entry(args)
    name = entry.name if entry else run_name(args)
    out: Path = args.out or Path("exports") / name / FILES[args.format]
    about = out.with_name(out.name + ".json")
    for path in (out, about):
        if path.exists():
            raise UserError(f"{path} already exists; choose another path with --out")

    start_keras()
    from keras_skeleton.checkpoints.weights import load_weights
    from keras_skeleton.deploy.standalone import write_standalone
    from keras_skeleton.models.preprocessing import Preprocessing

    if entry is not None:
        dataset = load(args, dict(entry.options))
        experiment, weights = open_pretrained(args, entry, dataset, out)
        number = entry.fold
    else:
        experiment = open_experiment(args, load_for(args), named_recipe(args), out)
        weights = weights_file(args)
        (number,) = experiment.check_folds(args.fold)[:1]
    network = experiment.build(any_length=True)
    load_weights(network, weights)

    inputs = experiment.inputs(network)
    clips = experiment.folds[number - 1].test[: args.clips]
    own = experiment.dataset
    files = write_standalone(
        network,
        Preprocessing(
            args.model,
            own.skeleton,
            own.max_bodies,
            experiment.recipe.frames,
            experiment.recipe.preprocessing,
            own.info.get("unit", "m"),
        ),
        own.classes,
        out,
        args.format,
        temperature=_temperature(checked_files(entry)[1:] if entry else _beside(weights)),
        batches=(inputs.batch(clips[k : k + 1]) for k in range(len(clips))),
        about={"model": args.model, "weights": entry.name if entry else str(weights)},
    )
    found = files.agreement
    if found is None:
        raise UserError(f"fold {number} has no test clips to compare {out} on; do not use it")
    print(f"{out}: {args.model}, weights {weights}")
    print(
        f"compared on {found.clips} test clips of {args.dataset}, {args.protocol}: logits differ "
        f"by at most {found.difference:.1e} (largest logit {found.largest:.1f}), same class for "
        f"{found.same} clips"
    )
    print(f"{files.about}: inputs, preprocessing, joints and classes")
    if files.script is None:
        print(f"no predict.py: {files.why}")
    else:
        print(f"{files.script}: predicts raw clips without this package")
    if found.difference > NEAR * max(found.largest, 1.0):
        raise UserError(f"{out}: its outputs differ from the network's; do not use it")


def _beside(weights: Path) -> list[Path]:
    """Files that belong to a weights file: a calibration is that of a fold's best weights."""
    return [*weights.parent.iterdir()] if weights.name == "best.weights.h5" else []


def _temperature(files: Sequence[Path]) -> float:
    """The temperature of the calibration among some files; 1 without one."""
    from keras_skeleton.evaluation.calibration import FILE, read_calibration

    path = next((path for path in files if path.name.endswith(FILE)), None)
    calibration = None if path is None else read_calibration(path)
    return 1.0 if calibration is None else calibration.temperature
