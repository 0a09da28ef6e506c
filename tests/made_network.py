"""A network that needs no training: whoever has the left hand above the shoulder waves."""

import numpy as np

from keras_skeleton.models.preprocessing import Preprocessing
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.skeletons import get_skeleton

V1 = get_skeleton("kinect_v1")
HAND, SHOULDER = (V1.joints.index(name) for name in ("left_hand", "left_shoulder"))


class MadeNetwork(Recognizer):
    """Its logits are the mean height of the left hand above the shoulder, times 8."""

    def __init__(self, bodies=1, coordinates="hips", name="made"):
        preprocessing = Preprocessing("sta_lstm", V1, bodies, choices={"coordinates": coordinates})
        super().__init__(None, ("wave", "sit", "none"), preprocessing, name=name)
        self.seen = []  # inputs

    def outputs(self, batch):
        self.seen.append(batch)
        logits = []
        for frames in batch.reshape(*batch.shape[:2], -1, 20, 3)[:, :, 0]:
            there = frames[(frames != 0).any(axis=(1, 2))]
            height = 8 * (there[:, HAND, 1] - there[:, SHOULDER, 1]).mean()
            logits.append([height, -height, 0.0])
        joints = np.abs(batch).sum(axis=3)
        return {
            "logits": np.array(logits, np.float32),
            "joints": joints,
            "frames": joints.sum(axis=2),
        }
