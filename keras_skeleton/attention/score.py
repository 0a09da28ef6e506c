"""Scores the attention of several networks and writes what came of it into one folder.

    OUT/attention_score.csv    the table; columns: `evaluation.attention_score`
    OUT/attention_curves.csv   every network's mean curves of deletion and insertion
    OUT/attention_score.json   command, seeds, versions, each file's SHA-256, what was not scored
    OUT/NAME.png               one network's curves
    OUT/gains.png              what all of them gain

`run.py attention --score` writes the table for people beside them, attention_score.md.

Networks that differ in nothing but their seed are compared with one another, and every network
with untrained ones of its kind.
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
    mean_curves,
    measure,
    score_rows,
    untrained_attention,
)
from keras_skeleton.attention.score_table import AGREEMENTS
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import write_json
from keras_skeleton.viz.deletion_plots import deletion_figure, gains_figure
from keras_skeleton.viz.style import save_figure

TABLE, CURVES, RECORD = "attention_score.csv", "attention_curves.csv", "attention_score.json"
UNTRAINED = 3  # networks of each kind
FIRST_UNTRAINED = 9000  # seeds far from those that trainings start from


@dataclass
class SeedGroup:
    """Networks that differ in nothing but their seed."""

    experiment: Experiment
    clips: np.ndarray
    names: list[str] = field(default_factory=list)
    maps: list[Maps] = field(default_factory=list)


class AttentionScore:
    """Scores networks one by one.

    Args:
        folder: Where the results go.
        command: For the record.
        seed: Of orders, of clips that are drawn, of intervals and of untrained networks.
        draws: Random orders of each clip.
        most: Test clips of each network, at most; all by default.

    Attributes:
        left_out: Networks that are not scored, with the reason; for the record.

    Raises:
        UserError: The folder holds a score.
    """

    def __init__(
        self,
        folder: Path,
        command: str = "",
        seed: int = 0,
        draws: int = 3,
        most: int | None = None,
    ) -> None:
        if (folder / TABLE).exists():
            raise UserError(f"{folder} holds a score already; choose another --out, or delete it")
        self.folder, self.command = folder, command
        self.seed, self.draws, self.most = seed, draws, most
        self.left_out: dict[str, str] = {}
        self._rows: list[dict[str, Any]] = []
        self._curves: list[pd.DataFrame] = []
        self._networks: dict[str, dict[str, Any]] = {}
        self._groups: dict[str, SeedGroup] = {}

    def add(self, name: str, experiment: Experiment, weights: Path, fold: int) -> int:
        """Measures a network and draws its curves; returns how many clips it was measured on.

        Args:
            name: Tells it from the others.
            experiment: That it belongs to.
            weights: Its file.
            fold: Whose test clips count, from 1.

        Raises:
            NotScoredError: It has no attention to frames or joints.
        """
        found = measure(
            experiment, weights, number=fold, seed=self.seed, draws=self.draws, most=self.most
        )
        run = experiment
        whose = {
            "network": name,
            "model": run.model,
            "dataset": run.dataset.name,
            "protocol": run.protocol,
            "fold": fold,
        }
        self._rows += [{**whose, **row} for row in score_rows(found, self.seed)]
        curves = mean_curves(found)
        self._curves.append(pd.concat({name: curves}, names=["network"]).reset_index(level=0))
        self._networks[name] = {
            "weights": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "seed": run.seed,
            "fold": fold,
            "clips": len(found.clips),
        }
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
        return len(found.clips)

    def write(self) -> pd.DataFrame:
        """Compares the networks and writes all of it; returns the table.

        Raises:
            UserError: No network was scored.
        """
        if not self._rows:
            raise UserError("no network was scored; the lines above say why")
        seeds = [FIRST_UNTRAINED + self.seed + k for k in range(UNTRAINED)]
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
        table.to_csv(self.folder / TABLE, index=False, float_format="%.5f")
        curves = pd.concat(self._curves)
        curves.to_csv(self.folder / CURVES, index=False, float_format="%.5f")
        title = (
            "Gain of an order over its rival, with 95 % intervals over test clips\n"
            "rival of frames: the same curve moved in time; of joints: a random order"
        )
        save_figure(gains_figure(table, title), self.folder / "gains.png")
        about = next(iter(self._groups.values())).experiment.describe()
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
                **{key: about[key] for key in ("versions", "device")},
                "finished": about["started"],
            },
        )
        return table


def _values(maps: Maps, kind: str) -> Values:
    """One value a frame or a joint of every clip; a joint's is its mean over the frames."""
    return [found[kind] if kind == "frames" else found[kind].mean(axis=0) for found in maps]
