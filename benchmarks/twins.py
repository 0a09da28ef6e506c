"""MANs-9, STA-LSTM, CSTA-CNN and pose-driven I3D in PyTorch, for the speed comparisons in
`throughput.py` and `gpu.py`.

These are the networks of `keras_skeleton.models` with the same sizes, inputs, penalties and
optimizers, built from PyTorch's modules. The only differences are in these modules:

    nn.GRU, nn.LSTM  add two biases, which are equivalent to the one of Keras but have more
                     parameters (`bias_hh`)
    nn.GRU           applies the reset gate after the product, not before it, and has no recurrent
                     dropout; its two directions share a dropout mask of the inputs
    first 5 x 5 convolution of MANs-9   pads two zeros on every side; Keras pads one before and two
                     after
    strided convolution and pooling of I3D   pad alike on every side; Keras pads one more after

Weight decay is done by the optimizer: it adds the gradient of Keras' L2 terms, but not their value
in the loss. Padded frames are not masked: clips must have full length.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

Decayed = dict[nn.Parameter, float]
Sizes = tuple[int, int]

# Filters of I3D's blocks: branches 1x1, (1x1, 3x3), (1x1, 3x3), 1x1 after pooling; None and 2 are
# poolings of three and of two frames, rows and columns.
INCEPTION: tuple[Any, ...] = (
    (64, (96, 128), (16, 32), 32),
    (128, (128, 192), (32, 96), 64),
    None,
    (192, (96, 208), (16, 48), 64),
    (160, (112, 224), (24, 64), 64),
    (128, (128, 256), (24, 64), 64),
    (112, (144, 288), (32, 64), 64),
    (256, (160, 320), (32, 128), 128),
    2,
    (256, (160, 320), (32, 128), 128),
    (384, (192, 384), (48, 128), 128),
)


class Twin(nn.Module):
    """A network that maps clips to logits (B, classes).

    Args:
        memory_format: Memory format of the inputs of convolutions.
    """

    def __init__(self, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        super().__init__()
        self.memory_format = memory_format

    def decayed(self) -> Decayed:
        """Parameters with an L2 penalty, and its weight."""
        return {}

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy, and penalties other than L2."""
        return nn.functional.cross_entropy(self(x), y)


def optimizer(network: Twin, recipe: Any) -> torch.optim.Optimizer:
    """SGD or Adam of one of our recipes; the gradient of `l2 * w ** 2` is a decay of `2 * l2`."""
    decayed = network.decayed()
    plain = [p for p in network.parameters() if p not in decayed]
    groups: list[dict[str, Any]] = [{"params": plain}]
    for l2 in sorted(set(decayed.values())):
        params = [p for p, weight in decayed.items() if weight == l2]
        groups.append({"params": params, "weight_decay": 2 * l2})
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, recipe.learning_rate, fused=True)
    return torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum, fused=True)


def weights(modules: Iterable[nn.Module], kind: type[nn.Module]) -> list[nn.Parameter]:
    return [m.weight for m in modules if isinstance(m, kind)]  # type: ignore[misc]


# --- MANs-9 --------------------------------------------------------------------------------------


class Coordinate(nn.Module):
    """TARM on one coordinate: (B, T, N) to the same shape, Eqs. 1 to 8."""

    def __init__(self, frames: int, joints: int, units: int, ratio: int, dropout: float) -> None:
        super().__init__()
        hidden = max(frames // ratio, 1)
        self.enter = nn.Linear(joints, units)
        self.dropout = nn.Dropout(dropout)
        self.memory = nn.GRU(units, units, batch_first=True, bidirectional=True)
        self.squeeze = nn.Linear(frames, hidden)
        self.excite = nn.Linear(hidden, frames)
        self.leave = nn.Linear(units, joints)

    def forward(self, o: Tensor) -> Tensor:
        x = self.enter(o)
        attention = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean(-1)))))  # (B, T)
        keep = self.dropout(torch.ones_like(x[:, :1]))  # one mask per clip
        forwards, backwards = self.memory(x * keep)[0].chunk(2, -1)
        return o + self.leave((forwards + backwards) * attention[..., None])


def norm(channels: int) -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01), nn.ReLU(inplace=True))


class Block(nn.Module):
    """A residual block of two pre-activated convolutions."""

    def __init__(self, before: int, channels: int, stride: int, first: bool) -> None:
        super().__init__()
        self.norm1 = nn.Identity() if first else norm(before)
        self.conv1 = nn.Conv2d(before, channels, 3, stride, padding=1)
        self.norm2 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        same = before == channels and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.conv2(self.norm2(self.conv1(self.norm1(x))))


class Mans9(Twin):
    """Maps images (B, T, N, 3) to logits (B, classes)."""

    def __init__(
        self,
        classes: int,
        size: int = 50,
        units: int = 64,
        ratio: int = 16,
        dropout: float = 0.5,
        l2: float = 1e-4,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.l2 = l2
        self.tarm = nn.ModuleList(Coordinate(size, size, units, ratio, dropout) for _ in range(3))
        self.stcm = nn.Sequential(
            nn.Conv2d(3, 64, 5, stride=2, padding=2),
            norm(64),
            Block(64, 64, 1, first=True),
            Block(64, 64, 1, first=False),
            Block(64, 128, 2, first=False),
            Block(128, 128, 1, first=False),
            norm(128),
        )
        self.logits = nn.Linear(128, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.stack([tarm(image[..., c]) for c, tarm in enumerate(self.tarm)], 1)
        x = self.stcm(x.contiguous(memory_format=self.memory_format))
        return self.logits(x.mean((2, 3)))

    def decayed(self) -> Decayed:
        memory = [p for name, p in self.named_parameters() if "memory.weight_ih" in name]
        return dict.fromkeys(weights(self.modules(), nn.Conv2d) + memory, self.l2)


# --- STA-LSTM ------------------------------------------------------------------------------------


def one_later(states: Tensor) -> Tensor:
    """Shifts states (B, T, units) by one frame to h(t-1), with 0 before the first frame."""
    return nn.functional.pad(states[:, :-1], (0, 0, 1, 0))


class StaLstm(Twin):
    """Maps clips (B, T, K, 3) to logits (B, classes)."""

    def __init__(
        self,
        joints: int,
        classes: int,
        units: int = 100,
        dropout: float = 0.5,
        lambda1: float = 0.0,
        lambda2: float = 0.0,
        lambda3: float = 0.0,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.lambdas = lambda1, lambda2, lambda3
        D = 3 * joints
        self.joint_lstm = nn.LSTM(D, units, batch_first=True)
        self.joint_input = nn.Linear(D, units)
        self.joint_state = nn.Linear(units, units, bias=False)
        self.joint_scores = nn.Linear(units, joints)
        self.frame_lstm = nn.LSTM(D, units, batch_first=True)
        self.frame_input = nn.Linear(D, 1)
        self.frame_state = nn.Linear(units, 1, bias=False)
        nn.init.ones_(self.frame_input.bias)
        self.main = nn.LSTM(D, units, num_layers=3, batch_first=True, dropout=dropout)
        self.dropout = nn.Dropout(dropout)  # after the last of the three layers
        self.main_scores = nn.Linear(units, classes)

    def gated(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, gates of joints (B, T, K) and of frames (B, T)."""
        flat = x.flatten(2)
        states = one_later(self.joint_lstm(flat)[0])
        hidden = torch.tanh(self.joint_input(flat) + self.joint_state(states))
        alpha = torch.softmax(self.joint_scores(hidden), -1)
        z = self.main((x * alpha[..., None]).flatten(2))[0]
        z = self.main_scores(self.dropout(z))
        states = one_later(self.frame_lstm(flat)[0])
        beta = torch.relu(self.frame_input(flat) + self.frame_state(states))
        return (beta * z).sum(1), alpha, beta[..., 0]

    def forward(self, x: Tensor) -> Tensor:
        return self.gated(x)[0]

    def connections(self) -> list[nn.Parameter]:
        """The matrices in the L1 norm of Eq. 7."""
        return [p for name, p in self.named_parameters() if "bias" not in name]

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        logits, alpha, beta = self.gated(x)
        lambda1, lambda2, lambda3 = self.lambdas
        loss = nn.functional.cross_entropy(logits, y)
        loss = loss + lambda1 * ((1 - alpha.mean(1)) ** 2).sum(-1).mean()
        loss = loss + lambda2 * beta.abs().mean(1).mean()
        return loss + lambda3 * sum(w.abs().sum() for w in self.connections())


# --- CSTA-CNN ------------------------------------------------------------------------------------


class Scores(nn.Module):
    """Scores of all joints or of all frames: a dense layer with one output (Eq. 1).

    Args:
        equation: Einsum equation from (B, T, M, V, 3) and the kernel to scores.
        summed: Size of the axis that is summed over together with the coordinates.
        scored: Number of joints or frames; each has its own bias.
    """

    def __init__(self, equation: str, summed: int, scored: int) -> None:
        super().__init__()
        self.equation = equation
        self.kernel = nn.Parameter(torch.empty(summed, 3).uniform_(-1, 1) / summed**0.5)
        self.bias = nn.Parameter(torch.ones(scored))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(torch.einsum(self.equation, x, self.kernel) + self.bias)


class Stream(nn.Module):
    """Maps positions or motion (B, T, M, V, 3) to features (B, 1024)."""

    def __init__(self, frames: int, joints: int, interpolated: int, dropout: float) -> None:
        super().__init__()
        self.joints = Scores("btmvc,tc->bmv", frames, joints)
        self.frames = Scores("btmvc,vc->bmt", joints, frames)
        self.transformer = nn.Linear(joints, interpolated, bias=False)
        nn.init.orthogonal_(self.transformer.weight)
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(3, 64, 3), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 128, 3), nn.MaxPool2d(2), nn.PReLU(init=0.1), nn.Dropout(dropout)),
            *(nn.Conv2d(128, 256, 3), nn.MaxPool2d(2), nn.PReLU(init=0.1)),
        )

    def forward(self, x: Tensor, memory_format: torch.memory_format) -> Tensor:
        B, _, M, _, _ = x.shape
        frames = self.frames(x).transpose(1, 2)  # (B, T, M)
        x = x * (frames[..., None] * self.joints(x)[:, None])[..., None]
        image = self.transformer(x.permute(0, 2, 4, 1, 3).flatten(0, 1))  # (B * M, 3, T, joints)
        image = self.convolutions(image.contiguous(memory_format=memory_format))
        return image.flatten(1).unflatten(0, (B, M)).amax(1)


class CstaCnn(Twin):
    """Maps sampled clips (B, T, M, V, 3) to logits (B, classes), with late fusion of streams."""

    def __init__(
        self,
        joints: int,
        classes: int,
        frames: int = 30,
        interpolated: int = 30,
        dropout: float = 0.5,
        l2: float = 1e-4,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.l2 = l2
        self.position = Stream(frames, joints, interpolated, dropout)
        self.motion = Stream(frames, joints, interpolated, dropout)
        features = 2 * self.features(frames, interpolated)
        self.dense = nn.Sequential(
            *(nn.Dropout(dropout), nn.Linear(features, 256), nn.PReLU(init=0.1)),
            *(nn.Dropout(dropout), nn.Linear(256, 128), nn.PReLU(init=0.1)),
            nn.Linear(128, classes),
        )

    @staticmethod
    def features(*size: int) -> int:
        """Number of features after three convolutions with max pooling."""
        height, width = size
        for _ in range(3):
            height, width = (height - 2) // 2, (width - 2) // 2
        return 256 * height * width

    def forward(self, x: Tensor) -> Tensor:
        motion = nn.functional.pad(x[:, 1:] - x[:, :-1], (0, 0, 0, 0, 0, 0, 0, 1))
        streams = self.position(x, self.memory_format), self.motion(motion, self.memory_format)
        return self.dense(torch.cat(streams, 1))

    def decayed(self) -> Decayed:
        first, *dense = weights(self.dense, nn.Linear)
        others = [*weights(self.modules(), nn.Conv2d), *dense]
        return {first: 10 * self.l2, **dict.fromkeys(others, self.l2)}


# --- Pose-driven I3D -----------------------------------------------------------------------------


class Unit(nn.Sequential):
    """Convolution without bias, batch normalization without scale, and ReLU."""

    def __init__(self, before: int, channels: int, size: int, stride: int = 1) -> None:
        normalize = nn.BatchNorm3d(channels, eps=1e-3, momentum=0.01)
        normalize.weight.requires_grad_(False)
        super().__init__(
            nn.Conv3d(before, channels, size, stride, size // 2, bias=False),
            normalize,
            nn.ReLU(inplace=True),
        )


class Inception(nn.Module):
    """Four branches, concatenated along the channels."""

    def __init__(self, before: int, one: int, two: Sizes, three: Sizes, four: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                Unit(before, one, 1),
                nn.Sequential(Unit(before, two[0], 1), Unit(two[0], two[1], 3)),
                nn.Sequential(Unit(before, three[0], 1), Unit(three[0], three[1], 3)),
                nn.Sequential(nn.MaxPool3d(3, 1, 1), Unit(before, four, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def inception_v1(width: float) -> nn.Sequential:
    """I3D without its classifier: video (B, 3, T, H, W) to (B, channels, T / 8, H / 32, W / 32)."""

    def wide(filters: int) -> int:
        return max(round(width * filters), 1)

    def half(frames: bool) -> nn.MaxPool3d:
        return nn.MaxPool3d((3 if frames else 1, 3, 3), (1 + frames, 2, 2), (int(frames), 1, 1))

    parts: list[nn.Module] = [
        Unit(3, wide(64), 7, 2),
        half(frames=False),
        Unit(wide(64), wide(64), 1),
        Unit(wide(64), wide(192), 3),
        half(frames=False),
    ]
    channels = wide(192)
    for block in INCEPTION:
        if block is None:
            parts.append(half(frames=True))
        elif block == 2:
            parts.append(nn.MaxPool3d(2, 2, ceil_mode=True))
        else:
            one, two, three, four = block
            pairs = [(wide(a), wide(b)) for a, b in (two, three)]
            parts.append(Inception(channels, wide(one), *pairs, wide(four)))
            channels = wide(one) + pairs[0][1] + pairs[1][1] + wide(four)
    return nn.Sequential(*parts)


class PoseI3d(Twin):
    """Maps videos (B, T, H, W, 3) of three parts and a skeleton (B, S, D), by name, to logits."""

    PARTS = ("left_hand", "right_hand", "full_body")

    def __init__(
        self,
        steps: int,
        values: int,
        classes: int,
        units: int = 512,
        hidden: int = 128,
        dropout: float = 0.5,
        lambda1: float = 0.0,
        lambda2: float = 0.0,
        width: float = 1.0,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.lambda1, self.l2 = lambda1, lambda2
        self.streams = nn.ModuleDict({part: inception_v1(width) for part in self.PARTS})
        self.pose = nn.LSTM(values, units, num_layers=3, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.state = nn.Linear(steps * units, hidden)
        self.scores = nn.Linear(hidden, len(self.PARTS))
        nn.init.normal_(self.state.weight, std=0.05)
        nn.init.zeros_(self.scores.weight)
        one, two, three, four = INCEPTION[-1]
        channels = sum(max(round(width * n), 1) for n in (one, two[1], three[1], four))
        self.logits = nn.Conv3d(channels, classes, 1)

    def weighted(self, x: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Logits and the weights of the parts (B, 3)."""
        states = self.dropout(self.pose(x["skeleton"])[0]).flatten(1)
        alpha = torch.softmax(self.scores(torch.tanh(self.state(states))), -1)
        total: Any = 0
        for k, (part, stream) in enumerate(self.streams.items()):
            video = x[part].permute(0, 4, 1, 2, 3).contiguous(memory_format=self.memory_format)
            total = total + alpha[:, k, None, None, None, None] * stream(video)
        frames, *image = total.shape[2:]
        pooled = nn.functional.avg_pool3d(total, (min(2, frames), *image), stride=1)
        return self.logits(self.dropout(pooled)).mean((2, 3, 4)), alpha

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        return self.weighted(x)[0]

    def loss(self, x: dict[str, Tensor], y: Tensor) -> Tensor:
        logits, alpha = self.weighted(x)
        loss = nn.functional.cross_entropy(logits, y)
        return loss + self.lambda1 * ((1 - alpha) ** 2).sum(-1).mean()

    def decayed(self) -> Decayed:
        pose = [p for name, p in self.pose.named_parameters() if "weight" in name]
        dense = [self.state.weight, self.scores.weight]
        return dict.fromkeys(weights(self.modules(), nn.Conv3d) + pose + dense, self.l2)
