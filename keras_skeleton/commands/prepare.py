"""Convert a dataset's raw files and store them in the cache."""

from __future__ import annotations

from collections.abc import Sequence

from keras_skeleton.commands.common import add_data_arguments, load, parser_for
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.datasets.store import verify_store
from keras_skeleton.utils.errors import DatasetError


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("prepare", __doc__)
    parser.add_argument("--dataset", required=True, help="choose a dataset (see 'list')")
    add_data_arguments(parser)
    parser.add_argument("--force", action="store_true", help="convert again and replace the store")
    parser.add_argument("--verify", action="store_true", help="verify the checksums of the store")
    args = parser.parse_args(words)
    get_source(args.dataset)
    dataset = load(args, force=args.force)
    frames = int(dataset.samples["frames"].sum())
    print(f"{dataset.name}: {len(dataset)} clips, {frames} frames, {len(dataset.classes)} classes")
    for protocol in dataset.protocols:
        try:
            folds = list(dataset.folds(protocol))
        except DatasetError as error:  # e.g. too few subjects among a user's own clips
            print(f"  {protocol}: {error}")
            continue
        for number, fold in enumerate(folds[:3], start=1):
            print(
                f"  {protocol} fold {number}/{len(folds)}: {len(fold.train)} train, "
                f"{len(fold.validation)} validation, {len(fold.test)} test"
            )
    if args.verify:
        verify_store(dataset.info["store"])
        print("verified: all files of the store match their checksums")
    print(f"store: {dataset.info['store']}")
