"""Score the attention of several networks and write the results to one folder.

    OUT/attention_score.csv    the table; columns are listed in `attention.score_table`
    OUT/attention_swap.csv     the swap test; see `attention.swap` and `evaluation.swap_test`
    OUT/attention_curves.csv   mean deletion and insertion curves of every network
    OUT/attention_score.json   command, seeds, versions, SHA-256 of each weights file, networks
                               that were skipped
    OUT/NAME.png               curves of one network
    OUT/gains.png              gains of all networks

`keras-skeleton attention --score` also writes a readable table, attention_score.md.

Networks that differ only in their seed are compared with each other, and every network is compared
with untrained networks of the same kind.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.attention.agreement import Values, agreement
from keras_skeleton.attention.deletion_curves import Maps
from keras_skeleton.attention.faithfulness import (
    KINDS,
    NotScoredError,
    mean_curves,
    measure,
    score_rows,
    untrained_attention,
)
from keras_skeleton.attention.score_table import AGREEMENTS
from keras_skeleton.attention.swap import swap_fold
from keras_skeleton.evaluation.swap_test import SUMMARY, summarize
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import write_json
from keras_skeleton.utils.tables import write_table
from keras_skeleton.viz.deletion_plots import deletion_figure, gains_figure
from keras_skeleton.viz.style import save_figure

TABLE, CURVES, RECORD = "attention_score.csv", "attention_curves.csv", "attention_score.json"
UNTRAINED = 3  # number of untrained networks of each kind
FIRST_UNTRAINED = 9000  # their first seed, different from the seeds of trained networks


@dataclass
class SeedGroup:
    """Networks that differ only in their seed."""

    experiment: Experiment
    clips: np.ndarray
    names: list[str] = field(default_factory=list)
    maps: list[Maps] = field(default_factory=list)


class AttentionScore:
    """Scores the attention of networks one after the other, then writes tables and figures.

    Args:
        folder: Output folder.
        command: Command line stored with the results.
        seed: Seed of random orders, subsets of clips, confidence intervals and untrained networks.
        draws: Number of random orders per clip.
        most: Maximum number of test clips per network; all by default.
        only_swap: Run the swap test and nothing else. Networks with video inputs have no other.

    Attributes:
        left_out: Skipped networks with the reason; stored with the results.
        swaps: The swap test of each network, one row per clip; see `swap.swap_test`.

    Raises:
        UserError: If the folder already holds a score.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.attention.score import AttentionScore
        >>> score = AttentionScore(Path("runs/attention_score"), most=100)  # doctest: +SKIP
        >>> score.add("mans9_ntu_cs", experiment, weights, fold=1)  # doctest: +SKIP
        >>> table = score.write()  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: Path,
        command: str = "",
        seed: int = 0,
        draws: int = 3,
        most: int | None = None,
        only_swap: bool = False,
    ) -> None:
        if (folder / TABLE).exists() or (folder / SUMMARY).exists():
            raise UserError(f"{folder} already holds a score; choose another --out or delete it")
        self.folder, self.command = folder, command
        self.seed, self.draws, self.most = seed, draws, most
        self.only_swap = only_swap
        self.left_out: dict[str, str] = {}
        self.swaps: dict[str, pd.DataFrame] = {}
        self._swapped: list[pd.DataFrame] = []
        self._about: dict[str, Any] = {}
        self._rows: list[dict[str, Any]] = []
        self._curves: list[pd.DataFrame] = []
        self._networks: dict[str, dict[str, Any]] = {}
        self._groups: dict[str, SeedGroup] = {}

    def add(self, name: str, experiment: Experiment, weights: Path, fold: int) -> int:
        """Measures a network, draws its curves, and runs its swap test.

        Args:
            name: Unique name of the network.
            experiment: The experiment of the network.
            weights: Weights file.
            fold: Fold whose test clips are used, counted from 1.

        Returns:
            The number of clips used.

        Raises:
            NotScoredError: If the network has no attention, or the fold no test clips.
        """
        run = experiment
        if not len(run.folds[fold - 1].test):
            raise NotScoredError(
                "there are no test clips to measure with: it was trained on all clips (--final); "
                "score a training with a split instead"
            )
        whose = {
            "network": name,
            "model": run.model,
            "dataset": run.dataset.name,
            "protocol": run.protocol,
            "fold": fold,
        }
        if not self.only_swap and run.videos is None:
            self._measure(name, run, weights, fold, whose)
        swap = swap_fold(run, weights, fold, self.seed, self.draws, self.most)
        summary = summarize(swap, self.seed)
        self.swaps[name] = swap
        self._swapped.append(pd.DataFrame([whose] * len(summary)).join(summary))
        clips = swap["clip"].nunique()
        about = run.describe()
        self._about = {**{key: about[key] for key in ("versions", "device")}}
        self._about["finished"] = about["started"]
        self._networks[name] = {
            "weights": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "seed": run.seed,
            "fold": fold,
            "clips": clips,
        }
        return clips

    def _measure(
        self, name: str, run: Experiment, weights: Path, fold: int, whose: dict[str, Any]
    ) -> None:
        found = measure(run, weights, number=fold, seed=self.seed, draws=self.draws, most=self.most)
        self._rows += [{**whose, **row} for row in score_rows(found, self.seed)]
        curves = mean_curves(found)
        self._curves.append(pd.concat({name: curves}, names=["network"]).reset_index(level=0))
        title = (
            f"{run.model} on {run.dataset.name}, {run.protocol}: {len(found.clips)} test clips\n"
            f"weights: {name}"
        )
        save_figure(deletion_figure(curves, title), self.folder / f"{name}.png")
        recipe = [run.recipe.model, run.recipe.preprocessing, run.recipe.frames]
        options = run.dataset.info.get("options", {})
        key = json.dumps([*whose.values()][1:] + [run.recipe.name, options, recipe], default=str)
        group = self._groups.setdefault(key, SeedGroup(run, found.clips))
        group.names.append(name)
        group.maps.append(found.attention)

    @property
    def swap_summary(self) -> pd.DataFrame:
        """Rows of `evaluation.swap_test.summarize` for all networks."""
        return pd.concat(self._swapped, ignore_index=True)

    def write(self) -> pd.DataFrame:
        """Compares the networks, writes all files and returns the table.

        It is empty if only the swap test was run.

        Raises:
            UserError: If no network was scored.
        """
        if not self._swapped:
            raise UserError("no network was scored; see the lines above for the reasons")
        seeds = [FIRST_UNTRAINED + self.seed + k for k in range(UNTRAINED)] if self._rows else []
        self.folder.mkdir(parents=True, exist_ok=True)
        table = self._write_scores(seeds) if self._rows else pd.DataFrame()
        write_table(self.swap_summary, self.folder / SUMMARY, index=False, float_format="%.5f")
        write_json(
            self.folder / RECORD,
            {
                "command": self.command,
                "seed": self.seed,
                "draws": self.draws,
                "most_clips": self.most,
                "untrained_seeds": seeds,
                "networks": self._networks,
                "not_scored": self.left_out,
                **self._about,
            },
        )
        return table

    def _write_scores(self, seeds: list[int]) -> pd.DataFrame:
        table = pd.DataFrame(self._rows)
        for group in self._groups.values():
            untrained = [untrained_attention(group.experiment, group.clips, seed) for seed in seeds]
            for kind in (kind for kind in KINDS if kind in group.maps[0][0]):
                own = [_values(maps, kind) for maps in group.maps]
                fresh = [_values(maps, kind) for maps in untrained]
                compared = (agreement(own), agreement(fresh), agreement(own, fresh))
                rows = table["network"].isin(group.names) & (table["kind"] == kind)
                for name, found in zip(AGREEMENTS, compared, strict=True):
                    columns = [name, f"{name}_spread", f"{name}_pairs"]
                    table.loc[rows, columns] = [found.mean, found.spread, found.pairs]
        pairs = [f"{name}_pairs" for name in AGREEMENTS]
        table[pairs] = table[pairs].astype(int)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_table(table, self.folder / TABLE, index=False, float_format="%.5f")
        curves = pd.concat(self._curves)
        write_table(curves, self.folder / CURVES, index=False, float_format="%.5f")
        title = (
            "Gain of an order over its baseline, with 95 % confidence intervals over test clips\n"
            "baseline of frames: the same curve shifted in time; of joints: a random order"
        )
        save_figure(gains_figure(table, title), self.folder / "gains.png")
        return table


def _values(maps: Maps, kind: str) -> Values:
    """One value per frame or joint of every clip; joint attention is averaged over frames."""
    return [found[kind] if kind == "frames" else found[kind].mean(axis=0) for found in maps]
