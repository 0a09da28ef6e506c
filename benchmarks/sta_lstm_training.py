"""How fast STA-LSTM trains, beside a PyTorch twin of the same network.

    pip install torch        only for this benchmark; without it our figures stand alone
    python benchmarks/sta_lstm_training.py

Both networks train from end to end on the same random clips, with Adam and all terms of Eq. 7,
without clipping, each in a process of its own, in turn. All frames are valid: a twin with
`nn.LSTM` needs packed sequences for shorter ones, our masks cost the same whatever the lengths.
Each measurement leaves out the first steps (tracing, memory).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from measuring import cell, in_own_process, ratios

JOINTS, CLASSES = 50, 60
CASES = ((100, 256), (50, 8))  # frames and clips a batch: NTU's, SBU's
WARM = 2


def clips(frames: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Random clips (batch, frames, JOINTS, 3) and labels."""
    random = np.random.default_rng(0)
    x = random.normal(size=(batch, frames, JOINTS, 3)).astype(np.float32)
    return x, random.integers(CLASSES, size=batch).astype(np.int64)


def ours(frames: int, batch: int, steps: int) -> float:
    """Clips a second of `Trainee`, as `run.py --end-to-end` trains."""
    import tensorflow as tf

    from keras_skeleton.models.sta_lstm import sta_lstm
    from keras_skeleton.training.recipes import get_recipe
    from keras_skeleton.training.trainee import Trainee

    recipe = replace(get_recipe("sta_lstm", "ntu"), clipnorm=None, stages=())
    trainee = Trainee(lambda: sta_lstm("sta_lstm", JOINTS, CLASSES, frames, **recipe.model), recipe)
    data = tf.data.Dataset.from_tensors(clips(frames, batch)).repeat()
    fit = {"steps_per_epoch": steps, "verbose": 0}
    trainee.training_model.fit(data, steps_per_epoch=WARM, verbose=0)
    start = time.perf_counter()
    trainee.training_model.fit(data, **fit)
    return steps * batch / (time.perf_counter() - start)


def twin(frames: int, batch: int, steps: int) -> float:
    """Clips a second of the same network in PyTorch."""
    import torch
    from torch import nn

    from keras_skeleton.training.recipes import get_recipe

    recipe = get_recipe("sta_lstm", "ntu")
    lambda1, lambda2, lambda3 = (recipe.model[f"lambda{i}"] for i in (1, 2, 3))

    def before(states: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(states[:, :-1], (0, 0, 1, 0))

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            D, units = 3 * JOINTS, 100
            self.joint_lstm = nn.LSTM(D, units, batch_first=True)
            self.joint_input = nn.Linear(D, units)
            self.joint_state = nn.Linear(units, units, bias=False)
            self.joint_scores = nn.Linear(units, JOINTS)
            self.frame_lstm = nn.LSTM(D, units, batch_first=True)
            self.frame_input = nn.Linear(D, 1)
            self.frame_state = nn.Linear(units, 1, bias=False)
            self.main = nn.LSTM(D, units, num_layers=3, batch_first=True, dropout=0.5)
            self.last_dropout = nn.Dropout(0.5)
            self.main_scores = nn.Linear(units, CLASSES)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            flat = x.flatten(2)
            states = before(self.joint_lstm(flat)[0])
            hidden = torch.tanh(self.joint_input(flat) + self.joint_state(states))
            alpha = torch.softmax(self.joint_scores(hidden), -1)
            z = self.main((x * alpha[..., None]).flatten(2))[0]
            z = self.main_scores(self.last_dropout(z))
            states = before(self.frame_lstm(flat)[0])
            beta = torch.relu(self.frame_input(flat) + self.frame_state(states))
            penalty = lambda1 * ((1 - alpha.mean(1)) ** 2).sum(-1).mean()
            penalty = penalty + lambda2 * beta.abs().mean(1).mean()
            for name, weight in self.named_parameters():
                if "weight" in name:
                    penalty = penalty + lambda3 * weight.abs().sum()
            return (beta * z).sum(1), penalty

    torch.manual_seed(0)
    network = Twin()
    optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate)
    x, y = (torch.from_numpy(a) for a in clips(frames, batch))

    def train(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad(set_to_none=True)
            logits, penalty = network(x)
            (nn.functional.cross_entropy(logits, y) + penalty).backward()
            optimizer.step()

    train(WARM)
    start = time.perf_counter()
    train(steps)
    return steps * batch / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        what, *numbers = arguments.measure
        print(json.dumps({"ours": ours, "twin": twin}[what](*map(int, numbers))))
        return

    peers = ["ours", *(["twin"] if find_spec("torch") else [])]
    found: dict[tuple[int, int], dict[str, list[float]]] = {}
    for frames, batch in CASES:
        case = found.setdefault((frames, batch), {peer: [] for peer in peers})
        steps = max(5, 2000 // batch)
        for _ in range(arguments.rounds):
            for peer in peers:
                case[peer].append(in_own_process(__file__, peer, frames, batch, steps))

    print("\nTraining, clips a second: median over the rounds (lowest to highest)")
    print("| frames | batch | keras_skeleton | PyTorch twin | ratio, round by round |")
    print("|---|---|---|---|---|")
    for (frames, batch), case in found.items():
        cells = [cell(values) for values in case.values()]
        ratio = ratios(case["ours"], case["twin"], 2) if "twin" in case else "-"
        print(f"| {frames} | {batch} | {' | '.join((cells + ['not installed'])[:2])} | {ratio} |")


if __name__ == "__main__":
    main()
