"""What tests share: the real recordings, and a small dataset made of random walks."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from order import SECONDS

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.datasets.protocols import random_holdout, train_on
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.video.pose_models import PoseModels, PoseModelsMissingError, find_pose_models

pytest.register_assert_rewrite("layer_contract")

# Two cores are often shared in CI: a slow example is no failure.
settings.register_profile("ci", deadline=None, max_examples=50)
settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, see `order.py`."""
    root = Path(__file__).parent
    items.sort(key=lambda item: -SECONDS.get(item.path.relative_to(root).as_posix(), 1))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same networks in every run: Keras draws the seeds of initializers from `random`."""
    random.seed(0)


@pytest.fixture(scope="session")
def real_root() -> Path:
    """The folder that the real recordings would be in."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("KERAS_SKELETON_TEST_DATA", default))


@pytest.fixture(scope="session")
def real_data(real_root: Path) -> Callable[[str], Path]:
    """`real_data("ntu")`: that folder of the real recordings, or a skip that says why."""

    def find(name: str) -> Path:
        if not (real_root / name).is_dir():
            pytest.skip(f"no real recordings at {real_root / name} (set KERAS_SKELETON_TEST_DATA)")
        return real_root / name

    return find


@pytest.fixture(scope="session")
def real_pose_models(tmp_path_factory: pytest.TempPathFactory) -> PoseModels:
    """BlazePose's files: of $KERAS_SKELETON_TEST_POSE_MODELS, which is their folder or a wheel of
    MediaPipe, or of the cache; without them a skip that says why."""
    place = os.environ.get("KERAS_SKELETON_TEST_POSE_MODELS")
    if place is None:
        try:
            return find_pose_models()
        except PoseModelsMissingError as error:
            pytest.skip(f"{error} (or set KERAS_SKELETON_TEST_POSE_MODELS)")
    with pytest.MonkeyPatch.context() as patch:  # a wheel is unpacked into the cache
        patch.setenv("KERAS_SKELETON_CACHE", str(tmp_path_factory.mktemp("pose_models")))
        return find_pose_models(place)


def make_dataset(
    clips: int = 48, classes: int = 3, skeleton: str = "kinect_v1", seed: int = 0
) -> SkeletonDataset:
    """Standing people who move one hand: which way it goes is the class."""
    layout = get_skeleton(skeleton)
    rng = np.random.default_rng(seed)
    rest = rng.normal(0, 0.3, (layout.size, 3))
    rows, table = [], []
    for i in range(clips):
        T = int(rng.integers(12, 30))
        clip = rest + rng.normal(0, 0.01, (T, 1, layout.size, 3))
        direction = np.eye(3)[i % classes % 3] * (1 if i % classes < 3 else -1)
        clip[:, 0, layout.hands[1]] += np.linspace(0, 1, T)[:, None] * direction
        start = sum(len(r) for r in rows)
        rows.append(clip.reshape(-1, layout.size, 3).astype(np.float32))
        table.append(
            {"name": f"clip{i:03d}", "label": i % classes, "subject": i // classes % 4 + 1,
             "view": 1, "setup": 1, "repetition": 1, "start": start, "frames": T, "bodies": 1}
        )  # fmt: skip
    return SkeletonDataset(
        name="toy",
        skeleton=layout,
        classes=tuple(f"class {c}" for c in range(classes)),
        rows=np.concatenate(rows),
        samples=pd.DataFrame(table),
        protocols={"cs": train_on("subject", [1, 2, 3], random_holdout(0.2))},
    )


@pytest.fixture
def toy() -> SkeletonDataset:
    """48 clips, 3 classes, 4 subjects; protocol `cs` tests on the fourth."""
    return make_dataset()
