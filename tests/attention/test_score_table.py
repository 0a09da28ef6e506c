import numpy as np
import pandas as pd

from keras_skeleton.attention.score_table import readable


def row(**changes):
    gains = {
        f"{guide}_{way}{end}": value
        for guide in ("attention", "saliency")
        for way in ("deletion", "insertion")
        for end, value in (("", 0.1), ("_low", -0.02), ("_high", 0.234))
    }
    compared = {
        f"{name}{end}": value
        for name in ("agreement", "untrained", "with_untrained")
        for end, value in (("", 0.5), ("_spread", 0.25), ("_pairs", 3))
    }
    shares = dict.fromkeys(("on_action", "on_action_uniform", "on_action_saliency"), np.nan)
    return {
        "network": "net",
        "kind": "frames",
        "clips": 9,
        **shares,
        **gains,
        **compared,
        **changes,
    }


def test_numbers_become_text_and_empty_columns_go():
    (found,) = readable(pd.DataFrame([row()])).to_dict("records")
    assert found["deletion"] == found["saliency insertion"] == "+10.0 [-2.0, +23.4]"
    assert found["agreement"] == "0.50 ± 0.25"
    assert "on the action" not in found


def test_what_one_row_lacks_is_a_dash():
    rows = [row(), row(on_action=0.4, on_action_uniform=0.3, on_action_saliency=0.9,
                       agreement=np.nan, agreement_pairs=0, untrained_pairs=1)]  # fmt: skip
    first, second = readable(pd.DataFrame(rows)).to_dict("records")
    assert (first["on the action"], second["on the action"]) == ("-", "40.0")
    assert (second["uniform"], second["saliency"]) == ("30.0", "90.0")
    assert second["agreement"] == "-"
    assert second["untrained"] == "0.50"  # one pair has no spread
