"""Convert a dataset's raw files and store them in the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from keras_skeleton.commands.common import add_data_arguments, load, parser_for
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.datasets.source import verify
from keras_skeleton.datasets.split_notes import lacking_note, noisy_note, subjects_line
from keras_skeleton.utils.errors import DatasetError

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset

SHOWN = 3  # folds of each protocol


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("prepare", __doc__)
    parser.add_argument("--dataset", required=True, help="choose a dataset (see 'list')")
    add_data_arguments(parser)
    parser.add_argument("--force", action="store_true", help="convert again and replace the store")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="verify the checksums of the store and of the files it was made from",
    )
    args = parser.parse_args(words)
    source = get_source(args.dataset)
    dataset = load(args, force=args.force)
    frames = int(dataset.samples["frames"].sum())
    untrimmed = dataset.info.get("options", {}).get("clips") == "untrimmed"
    count = f"{len(dataset)} clips"
    if untrimmed:
        recordings = "1 recording" if len(dataset) == 1 else f"{len(dataset)} recordings"
        count = f"{recordings} with {len(dataset.intervals)} actions"
    print(f"{dataset.name}: {count}, {frames} frames, {len(dataset.classes)} classes")
    for line in describe_splits(dataset, source.protocol_for(args.data_dir)):
        print(f"  {line}")
    if untrimmed:
        print("  (gate_u and gate_b learn from the validation recordings, too)")
    if args.verify:
        files = verify(source, dataset, args.data_dir)
        read = f" and of the {files:,} files it was made from" if files else ""
        print(f"verified: all files of the store{read} match their checksums")
    print(f"store: {dataset.info['store']}")


def describe_splits(dataset: SkeletonDataset, default: str | None = None) -> Iterator[str]:
    """Yields lines about the first folds of each protocol, or why it is not possible.

    Args:
        dataset: The dataset.
        default: The protocol that is used if none is named.
    """
    told: set[str] = set()
    for protocol in dataset.protocols:
        title = f"{protocol} (default)" if protocol == default else protocol
        try:
            folds = list(dataset.folds(protocol))
        except DatasetError as error:  # e.g. too few subjects among a user's own clips
            if str(error) not in told:  # a reason may hold for all protocols
                yield f"{title}: {error}"
            told.add(str(error))
            continue
        for number, fold in enumerate(folds[:SHOWN], start=1):
            yield (
                f"{title} fold {number}/{len(folds)}: {len(fold.train)} train, "
                f"{len(fold.validation)} validation, {len(fold.test)} test"
            )
            if protocol == default:
                named = "subjects" in dataset.info and subjects_line(dataset, fold)
                noisy = "" if "video" in dataset.samples else noisy_note(fold)
                lacking = lacking_note(dataset, fold)
                yield from (f"  {line}" for line in (named, lacking, noisy) if line)
        if len(folds) > SHOWN:
            yield f"{title}: and {len(folds) - SHOWN} more folds"
