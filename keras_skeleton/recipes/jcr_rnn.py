"""Recipes of JCR-RNN, the detection baseline (Li et al., ECCV 2016)."""

from __future__ import annotations

from dataclasses import replace

from keras_skeleton.recipes import sta_lstm

# JCR-RNN is trained on windows of recordings. Dataset to (batch size, epochs).
_JCR = {"ut_kinect": (8, 100), "synthetic": (16, 15)}
_JCR_SOURCES = {
    "all": "our choice: as STA-LSTM on the same dataset, on windows of recordings of 200 frames"
}


RECIPES = {
    ("jcr_rnn", dataset, name): replace(
        recipe,
        stages=(),
        model={},
        frames=200,
        batch_size=_JCR.get(dataset, (16, 60))[0],
        epochs=_JCR.get(dataset, (16, 60))[1],
        sources=_JCR_SOURCES,
    )
    for (model, dataset, name), recipe in sta_lstm.RECIPES.items()
    if model == "lstm"
}
