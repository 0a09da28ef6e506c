"""What the README says is what the code and the stored results say."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.datasets import SOURCES
from keras_skeleton.detection.report import TITLES
from keras_skeleton.evaluation.attention_score import correlation
from keras_skeleton.models import MODELS, build_model
from keras_skeleton.reproduction.tables import read_tables
from keras_skeleton.training.recipes import get_recipe

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
NAMES = {"N-UCLA": "nucla"}
RESULTS = [json.loads(path.read_text()) for path in sorted(ROOT.glob("results/*/metrics.json"))]


def rows(heading, columns=None):
    """Cells of the table rows below a heading, without marks; of one table by its columns."""
    after = README.split(f"# {heading}\n")[1]
    own = f"\n### {heading}\n" in README  # a section of its own within another
    section = after.split("\n##" if own else "\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    table = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in table if columns in (None, len(row))]


def of(model, dataset, protocol, recipe):
    """The stored runs of one row of the table, without flags: one, or several seeds."""
    wanted = (model, NAMES.get(dataset, dataset.lower().replace("-", "_")), protocol, recipe)
    plain = json.loads(json.dumps(dict(get_recipe(model, wanted[1], recipe).model)))
    return [
        r
        for r in RESULTS
        if (r["model"], r["dataset"], r["protocol"], r["variant"]) == wanted
        and r["recipe"]["model"] == plain
    ]


def over_seeds(values):
    """Mean and standard deviation, as README gives them."""
    return f"{np.mean(values):.1f} ± {np.std(values):.1f}"


FIGURES = ("accuracy", "accuracy_last", "accuracy_paper")


def test_every_result_is_stored():
    """(And every stored result is in a table of results/tables: see tests/reproduction.)"""
    printed = {
        (r.training.model, r.training.dataset, r.training.protocol, r.training.recipe): r.paper
        for table in read_tables(["all"])
        for r in table.rows
        if not (r.stage or r.method or r.training.flags or r.paper == (None,))
    }
    shown_rows = (r for r in rows("Results", 8) if r[0] in MODELS)
    for model, where, recipe, seeds, *shown, paper in shown_rows:
        dataset, protocol = where.replace("`", "").split(", ")
        runs = of(model, dataset, protocol, recipe)
        key = (model, runs[0]["dataset"], protocol, recipe)
        assert paper == (str(printed[key][0]) if key in printed else "")
        assert seeds == str(len(runs))
        assert all(run["complete"] for run in runs)
        assert len({run["seed"] for run in runs}) == len(runs) > 0
        assert shown == [f"{100 * np.mean([run[key] for run in runs]):.1f}" for key in FIGURES]
    for model, *shown in rows("What attention adds: CSTA-CNN on N-UCLA"):  # Table 3
        runs = of(model, "N-UCLA", "cv", "paper")
        assert len(runs) == 3
        for cell, key in zip(shown, FIGURES, strict=True):
            seeds = [100 * run[key] for run in runs]
            assert cell == over_seeds(seeds)
    # "No seed is below 89.2"
    assert min(run["accuracy"] for run in of("csta_cnn", "N-UCLA", "cv", "paper")) >= 0.892
    gains = [
        f"{printed['csta_cnn', 'ntu', protocol, 'paper'][0] - base:.1f}"
        for protocol in ("cs", "cv")
        for base in printed["two_stream_cnn", "ntu", protocol, "paper"]
    ]
    assert f"gains of {gains[0]} and {gains[1]} on NTU" in " ".join(README.split())
    assert [row[0] for row in rows("What attention adds: CSTA-CNN on N-UCLA")] == [
        "csta_cnn",
        "two_stream_cnn",
        "ta_cnn",
        "sa_cnn",
    ]


def test_what_is_said_of_leaving_one_sequence_out_is_stored():
    paper, tuned = (of("mans9", "ut_kinect", "loocv", recipe) for recipe in ("paper", "tuned"))
    assert sorted(round(100 * run["accuracy_paper"], 1) for run in paper) == [98.5, 100, 100]
    best = [fold["accuracy_paper"] for run in paper for fold in run["folds"]]
    chosen, last = (100 * np.mean([run[key] for run in paper]) for key in FIGURES[:2])
    text = " ".join(README.split())
    assert f"in {best.count(1.0)} of the {len(best)} folds" in text
    assert f"the same networks get {chosen:.1f}, simply last {last:.1f}." in text
    assert f"augments: {100 * np.mean([run['accuracy'] for run in tuned]):.1f}." in text


def test_the_rows_of_mans_without_attention_are_stored():
    stored = pd.read_csv(ROOT / "results" / "tables" / "mans4.csv", dtype={"seeds": str})
    printed = stored[(stored["dataset"] == "ntu") & (stored["protocol"] == "cs")]["paper"][:4]
    assert "{}, {}, {} and {}: the CNN alone".format(*printed) in " ".join(README.split())
    stored = stored[stored["dataset"] == "ut_kinect"].fillna({"flags": ""})
    table = rows("What attention adds: MANs on UT-Kinect")
    assert len(table) * 2 == len(stored)
    for network, *shown in table:
        own = stored[(stored["model"] + " " + stored["flags"]).str.strip() == network]
        assert own["recipe"].tolist() == ["paper", "tuned"]
        assert set(own["seeds"]) == {"0 100 200"}
        assert shown == [
            f"{found[key]:.1f} ± {found[key + '_std']:.1f}"
            for _, found in own.iterrows()
            for key in ("validation", "convention")
        ]
    # "lie within one percent, less than the seeds of one row spread"
    tuned = stored[stored["recipe"] == "tuned"]
    assert round(np.ptp(tuned["validation"]), 1) <= 1 < tuned["validation_std"].max()
    # "every one of these twelve runs gets all 20 validation clips right"
    where = ("ut_kinect", "cs", "tuned")
    runs = [r for r in RESULTS if (r["dataset"], r["protocol"], r["variant"]) == where]
    assert {run["model"] for run in runs} == {"mans9", "stcm9"}
    assert len(runs) == 12
    assert {run["validation_accuracy"] for run in runs} == {1.0}
    # "either attention loses to none"
    paper = stored[stored["recipe"] == "paper"].set_index("flags")["validation"]
    assert paper.idxmax() == "--attention none"


def test_the_rows_of_figure_6_are_stored():
    """LSTM has runs of its own; TA-LSTM and SA-LSTM are steps 4 and 7 of STA-LSTM's."""
    steps = {"ta_lstm": "step4", "sa_lstm": "step7", "sta_lstm": "step9"}
    table = rows("What attention adds: STA-LSTM on SBU")
    assert [row[0] for row in table] == ["lstm", *steps]
    for model, *shown, _ in table:
        runs = of("sta_lstm" if model in steps else model, "sbu", "5fold", "tuned")
        assert len(runs) == 3
        for cell, key in zip(shown, FIGURES, strict=True):
            seeds = [
                np.mean(
                    [
                        next(s[key] for s in fold["stages"] if s["name"] == steps[model])
                        if model in steps
                        else fold[key]
                        for fold in run["folds"]
                    ]
                )
                for run in runs
            ]
            assert cell == over_seeds([100 * value for value in seeds])


def test_attention_on_the_known_truth_is_stored():
    heading = "Where STA-LSTM looks, against the known truth"
    found = {seed: stored_shares(f"_tuned_seed{seed}") for seed in (0, 100, 200)}
    plain = {seed: stored_shares(f"_seed{seed}" if seed else "") for seed in (0, 100, 200)}
    mean, paper = sum(found.values()) / 3, sum(plain.values()) / 3
    clips = pd.read_csv(ROOT / "results/sta_lstm_synthetic_cs/attention.csv")["clips"]
    table = rows(heading)
    assert [row[0] for row in table] == mean.index.tolist()
    for row, count in zip(table, clips, strict=True):
        own = [*mean.loc[row[0]], paper.loc[row[0], "joints"], paper.loc[row[0], "frames"]]
        assert row[1:] == [str(count), *(f"{100 * value:.1f}" for value in own)]

    def below(shares, kind):
        gain = shares[kind] - shares[f"{kind}_uniform"]
        return (-100 * gain[gain < 0]).round(2)

    assert not len(below(mean, "joints"))
    assert not len(below(mean, "frames"))
    assert not any(len(below(shares, "joints")) for shares in found.values())
    assert dict(below(found[0], "frames")) == {"pick_up": 0.04}
    assert not len(below(found[100], "frames"))
    assert dict(below(found[200], "frames").round(1)) == {"wave_left_hand": 1.1}
    two_people = {"shake_hands", "hand_over", "approach", "back_away"}
    assert set(below(paper, "joints").index) == {"nod"}
    assert set(below(paper, "frames").index) == {"nod", *two_people}
    assert [len(below(shares, "joints")) for shares in plain.values()] == [5, 1, 2]
    assert [len(below(shares, "frames")) for shares in plain.values()] == [8, 3, 5]
    hands = ["wave_right_hand", "wave_left_hand", "clap"]
    assert below(plain[0], "frames").nlargest(3)[hands].round().tolist() == [14, 12, 14]
    assert not {*hands} & {*below(plain[100], "frames").index, *below(plain[200], "frames").index}
    of_tuned, of_paper = (
        {run["seed"]: 100 * run["accuracy"] for run in of("sta_lstm", "synthetic", "cs", recipe)}
        for recipe in ("tuned", "paper")
    )
    assert (of_tuned.keys(), of_paper.keys()) == (found.keys(), plain.keys())
    ends = (list(of_tuned.values()), list(of_paper.values()))
    assert "The accuracy is {} percent, with `paper` {}.".format(
        *(over_seeds(seeds) for seeds in ends)
    ) in " ".join(README.split())
    scored = pd.read_csv(ROOT / "results" / "attention_score" / "attention_score.csv")
    scored = scored[scored["network"] == "sta_lstm_synthetic_cs_tuned"].set_index("kind")
    assert set(scored["clips"]) == {100}
    shares = [
        f"{100 * scored[f'on_action{of_what}'][kind]:.1f}"
        for of_what in ("_saliency", "", "_uniform")
        for kind in ("joints", "frames")
    ]
    assert (
        "100 test clips, {} percent of it are on the joints that carry the action and {} on the "
        "frames; of the attention {} and {}, and if uniform {} and {}"
    ).format(*shares) in " ".join(README.split())


def stored_shares(run):
    """The table of a run of STA-LSTM on the synthetic set, without its counts."""
    path = ROOT / "results" / f"sta_lstm_synthetic_cs{run}" / "attention.csv"
    return pd.read_csv(path, index_col="class").drop(columns="clips")


def test_what_is_said_of_trust_is_stored():
    folder = ROOT / "results" / "attention_score"
    found = pd.read_csv(folder / "attention_score.csv").set_index(["network", "kind"])
    lines = (folder / "attention_score.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    page = {(row[0], row[1]): dict(zip(cells[0], row, strict=True)) for row in cells[2:]}
    table = rows("Can the attention be trusted?", 6)
    assert len(table) == 6
    for network, kind, *shown in table:
        row = page[network, kind]
        assert shown[:2] == [row["deletion"], row["insertion"]]
        saliency = [row[f"saliency's {way}"] for way in ("deletion", "insertion")]
        assert shown[2:] == [cell.split()[0] for cell in saliency]
    joints, frames = (found.xs(kind, level="kind") for kind in ("joints", "frames"))
    assert found.index.get_level_values("network").nunique() == 21
    assert found["clips"].max() == 100
    assert len(joints) == 12
    for way in ("deletion", "insertion"):
        silent = joints.index[joints[f"attention_{way}_low"] <= 0]
        assert set(silent) == {"csta_cnn_nucla_cv", "csta_cnn_synthetic_cs"}
    more = {
        w: joints[f"saliency_{w}"] > joints[f"attention_{w}"] for w in ("deletion", "insertion")
    }
    assert sum(~more["deletion"]) == 1
    assert more["insertion"].all()
    assert len(frames) == 17
    lost, back = (set(frames.index[frames[f"attention_{way}_low"] > 0]) for way in more)
    assert len(lost) == 7
    assert lost & back == {"sta_lstm_nucla_cv", "sta_lstm_synthetic_cs_tuned", "ta_lstm_nucla_cv"}
    spared = frames.loc[["sta_lstm_ut_kinect_cs", "ta_lstm_ut_kinect_cs"]]
    assert (spared["attention_insertion_high"] < 0).all()


def test_how_far_seeds_attend_to_the_same_is_stored():
    found = pd.read_csv(ROOT / "results/attention_score_seeds/attention_score.csv")
    assert set(found["clips"]) == {50}
    groups = dict(iter(found.groupby(["model", "dataset"])))
    table = rows("Can the attention be trusted?", 7)
    keys = [(row[0], NAMES.get(row[1], row[1].lower().replace("-", "_"))) for row in table]
    assert sorted(keys) == sorted(groups)
    for key, (_, _, seeds, *shown) in zip(keys, table, strict=True):
        assert int(seeds) == groups[key]["network"].nunique() >= 2
        cells = []
        for kind in ("joints", "frames"):
            own = groups[key][groups[key]["kind"] == kind]
            for name in ("agreement", "untrained"):
                cells.append(correlation(own.iloc[0], name) if len(own) else "")
        assert shown == cells
    seen = found.set_index(["model", "dataset", "kind"]).sort_index()
    # "each of these loses the class sooner in the order of its joints"
    assert (seen.loc[("sta_lstm", "ut_kinect", "joints"), "attention_deletion_low"] > 0).all()
    # "seeds agree by 0.43 to 0.52 with MANs and STA-LSTM on SBU and N-UCLA"
    frames = found[found["kind"] == "frames"].groupby(["model", "dataset"])["agreement"].first()
    assert frames.round(2).nlargest(3).to_dict() == {
        ("mans9", "sbu"): 0.52, ("sta_lstm", "nucla"): 0.46, ("mans9", "nucla"): 0.43
    }  # fmt: skip
    assert frames.nsmallest(len(frames) - 3).max() < 0.3  # "and hardly anywhere else"
    # "of three seeds of CSTA-CNN on UT-Kinect one is clearly better than random"
    low = seen.loc[("csta_cnn", "ut_kinect", "joints"), "attention_insertion_low"]
    assert sum(low > 0) == 1 < len(low) == 3
    # "the frame gates of STA-LSTM point at what can be spared in one of three, too"
    high = seen.loc[("sta_lstm", "ut_kinect", "frames"), "attention_insertion_high"]
    assert sum(high < 0) == 1 < len(high) == 3


def test_every_network_on_the_data_that_is_here():
    table = rows("Every network of skeletons on the data that is here")
    for column, name in enumerate(("ut_kinect", "sbu", "nucla"), start=1):
        stored = pd.read_csv(ROOT / "results" / "tables" / f"{name}.csv", dtype={"seeds": str})
        assert [row[0] for row in table] == stored["row"].tolist()
        for row, found in zip(table, stored.itertuples(), strict=True):
            if pd.isna(found.seeds):
                assert row[column] == "not run"
                continue
            seeds = len(found.seeds.split())
            assert row[column] == f"{found.validation:.1f} / {found.convention:.1f} ({seeds})"
            assert found.recipe == ("tuned" if name == "sbu" and "LSTM" in found.row else "paper")


def test_how_far_seeds_of_sta_lstm_are_apart_is_stored():
    found = {r["seed"]: 100 * r["accuracy"] for r in of("sta_lstm", "ut_kinect", "cs", "paper")}
    first, second, third = (f"{found[seed]:.1f}" for seed in (0, 100, 200))
    text = f"STA-LSTM on UT-Kinect (99 test clips) get {first}, {second} and {third}."
    assert text in " ".join(README.split())


def test_rows_on_sbu_without_the_choices_of_tuned_are_stored():
    sbu = [r for r in RESULTS if r["dataset"] == "sbu"]
    as_printed = [r for r in sbu if r["model"] == "sta_lstm" and r["variant"] == "paper"]
    lstm, sta = of("lstm", "sbu", "5fold", "paper"), of("sta_lstm", "sbu", "5fold", "paper")
    plain = [r for r in as_printed if r["recipe"]["model"]["lambda1"] == 0]
    assert len(as_printed) == len(sta) + len(plain)

    def figure(runs, key="accuracy"):
        return f"{100 * np.mean([run[key] for run in runs]):.1f}"

    def counted(runs):
        seeds = ["one seed", "two seeds", "three seeds"][len(runs) - 1]
        return f"{figure(runs)} ({seeds})"

    text = (
        f"LSTM gets {counted(lstm)} and STA-LSTM {counted(sta)}, by the paper's convention "
        f"{figure(lstm, 'accuracy_paper')} and {figure(sta, 'accuracy_paper')}; "
        f"without the penalties STA-LSTM gets {counted(plain)}."
    )
    assert text in " ".join(README.split())
    table = pd.read_csv(ROOT / "results" / "tables" / "stafig6.csv", dtype={"seeds": str})
    table = table[(table["dataset"] == "sbu") & (table["recipe"] == "tuned")].set_index("row")
    shown = {}
    for row in ("STA-LSTM", "TA-LSTM", "SA-LSTM"):
        own, without = table.loc[row], table.loc[f"{row} (w/o reg.)"]
        assert own["seeds"] == without["seeds"] == "0 100 200"
        assert 0 < own["validation"] - without["validation"] < own["validation_std"], row
        shown[row] = f"{without['validation']:.1f} ± {without['validation_std']:.1f}"
    text = "STA-LSTM gets {STA-LSTM}, TA-LSTM {TA-LSTM} and SA-LSTM {SA-LSTM}: below the table"
    assert text.format(**shown) in " ".join(README.split())
    above = table.loc["SA-LSTM (w/o reg.)"]
    assert above["convention"] > table.loc["SA-LSTM", "convention"]
    text = f"SA-LSTM is above it, {above['convention']:.1f} ± {above['convention_std']:.1f}."
    assert text in " ".join(README.split())


def test_the_stages_and_weights_of_the_pose_driven_network_are_stored():
    heading = "Where the pose-driven network looks"
    runs = of("pose_i3d", "synthetic", "cs", "paper")
    assert [run["seed"] for run in runs] == [0, 100, 200]
    stages = [{stage["name"]: stage for stage in run["folds"][0]["stages"]} for run in runs]
    table = rows(heading, 4)
    assert [row[0] for row in table] == list(stages[0])
    for name, _, *shown in table:
        for cell, key in zip(shown, FIGURES[:2], strict=True):
            assert cell == over_seeds([100 * found[name][key] for found in stages])
    assert f"learned it from {runs[0]['folds'][0]['clips']['train']}" in README
    alone = [
        np.mean([100 * found[part]["accuracy"] for found in stages])
        for part in ("left_hand", "right_hand", "full_body")
    ]
    whole = np.mean([100 * run["accuracy"] for run in runs])
    text = f"{whole:.1f} percent right, the three parts alone {np.mean(alone):.1f} in the mean"
    assert f"{text} and {max(alone):.1f} at best" in " ".join(README.split())
    stored = [
        pd.read_csv(path) for path in sorted(ROOT.glob("results/pose_i3d_synthetic_cs*/parts.csv"))
    ]
    assert len(stored) == len(runs)
    table = rows(heading, 6)
    assert [row[0] for row in table] == stored[0]["class"].tolist()
    for k, (_, clips, *shown, acting) in enumerate(table):
        assert {int(clips)} == {parts["clips"][k] for parts in stored}
        for cell, part in zip(shown, ("left_hand", "right_hand", "full_body"), strict=True):
            assert cell == f"{100 * np.mean([parts[part][k] for parts in stored]):.1f}"
        hands = [100 * parts["acting_hand"][k] for parts in stored]
        assert acting == ("" if np.isnan(hands[0]) else " / ".join(f"{v:.1f}" for v in hands))
    hands = pd.concat(stored, keys=[0, 100, 200], names=["seed"]).dropna()
    hands = hands.reset_index("seed").set_index(["class", "seed"])
    times = hands["acting_hand"] / hands["other_hand"]
    assert (len(times), sum(times > 1), sum(times >= 4)) == (12, 10, 9)
    assert set(times.index[times < 1]) == {("hang_up", 100), ("wave_right_hand", 200)}
    rests = 100 * hands["other_hand"]
    text = (
        "seed 100 puts {:.1f} percent on the hand that rests, of `wave_right_hand` seed 200 puts "
        "{:.1f}"
    )
    told = text.format(rests["hang_up", 100], rests["wave_right_hand", 200])
    assert told in " ".join(README.split())


def order_on_ut_kinect(mean_ap, f1):
    proposals, windows = ["tap_u", "tap_u_m", "tap_b", "tap_b_m"], ["svm_sw", "sta_lstm_sw"]
    for table in (mean_ap, f1):
        assert (table.loc[proposals].max() < table.loc[windows].max()).all()
        for one in ("tap_u", "tap_b"):
            assert (table.loc[f"{one}_m"] > table.loc[one]).all()
    assert (mean_ap.idxmax() == "jcr_rnn").tolist() == [False, True, False, True]


def order_on_synthetic(mean_ap, f1):
    for table in (mean_ap, f1):
        assert (table.loc[["tap_b", "tap_b_m"]].to_numpy() > table.loc[["tap_u", "tap_u_m"]]).all(
            axis=None
        )
    assert (f1.loc["sta_lstm_jcr"] > f1.loc["jcr_rnn"]).all()
    assert (f1.loc["tap_b"] > f1.loc[["svm_sw", "sta_lstm_sw"]]).all(axis=None)
    assert (mean_ap.loc["tap_b"] > mean_ap.loc["sta_lstm_sw"]).all()
    assert set(mean_ap.idxmax()) == {"jcr_rnn"}


def detections(dataset):
    """Folders of the stored detections in a set of recordings, and their seeds as README has
    them."""
    folders = [path.parent for path in sorted(ROOT.glob(f"results/detect_{dataset}*/run.json"))]
    seeds = [json.loads((folder / "run.json").read_text())["seed"] for folder in folders]
    return folders, ", ".join(map(str, seeds))


def test_the_tables_of_detection_are_stored():
    check_order = {"ut_kinect": order_on_ut_kinect, "synthetic": order_on_synthetic}
    table = rows("Actions in untrimmed recordings", 9)
    said_of = {"ut_kinect": "on UT-Kinect means over three seeds",
               "synthetic": "on the synthetic set one seed"}  # fmt: skip
    text, pairs = " ".join(README.split()), []
    for name, own in (("ut_kinect", table[:8]), ("synthetic", table[8:])):
        folders, seeds = detections(name)
        scores = pd.concat([pd.read_csv(folder / "scores.csv") for folder in folders])
        scores = scores[scores["rule"] == "paper"].groupby(["method", "theta"])
        assert set(scores.size()) == {len(folders)}
        mean_ap, f1 = (scores[metric].mean().unstack() for metric in ("map_action", "f1"))
        assert [row[0] for row in own] == list(TITLES.values())
        for method, (_, *shown) in zip(TITLES, own, strict=True):
            values = [*mean_ap.loc[method], *f1.loc[method]]
            assert shown == [f"{value:.3f}" for value in values]
        check_order[name](mean_ap, f1)
        assert f"{said_of[name]} ({seeds})" in text
        for one in ("tap_u", "tap_b"):  # "nine scales above one in mAP at an overlap of 0.1"
            assert mean_ap[0.1][f"{one}_m"] > mean_ap[0.1][one]
        higher = [pd.read_csv(f / "attention.csv")["higher_in_actions"] for f in folders]
        pairs += [f"{100 * value:.0f}" for value in np.mean(higher, axis=0)]
    assert "{} (forwards) and {} (both ways) of 100 pairs on UT-Kinect".format(*pairs) in text
    assert "in {2} and {3} on the synthetic set".format(*pairs) in text


def test_the_costs_that_are_told_are_stored():
    lines = (ROOT / "results" / "detect_stream.txt").read_text().splitlines()
    found = {line[:26].strip(): re.findall(r"[\d.]+", line[26:]) for line in lines}
    for way in ("forwards", "both ways"):
        assert [round(int(n), -2) for n in found[f"times real time, {way}"]] == [500, 500]
    short, long = map(float, found["largest resident size, GB"])
    assert f"{100 * (long / short - 1):.0f} percent more memory" in README
    assert "scoring 10,000 detections: 0.19" in lines[-1]
    assert "about 500 times faster" in README
    time = (ROOT / "results" / "pose_i3d_synthetic_cs" / "time.txt").read_text()
    assert re.search(r"real\s11m", time)
    assert "command took eleven minutes on two cores" in README


def test_the_choice_of_coordinates_is_stored():
    folds = json.loads((ROOT / "results" / "ut_kinect_coordinates.json").read_text())["folds"]
    for name, text in (("hips", "95.2"), ("body", "90.1")):
        mean = sum(fold["inner"][name] for fold in folds) / len(folds)
        assert f"{100 * mean:.1f}" == text
        assert text in README
    assert all(fold["chosen"] == "hips" for fold in folds)


def test_all_models_are_listed_with_their_parameters():
    table = {row[0]: int(row[3].replace(",", "")) for row in rows("Models")}
    assert list(table) == list(MODELS)
    for name, parameters in table.items():
        assert build_model(name, classes=60).count_params() == parameters


def test_all_datasets_are_listed_with_their_protocols():
    table = {row[0]: row for row in rows("Datasets")}
    assert set(table) == set(SOURCES)
    for name, row in table.items():
        listed = re.findall(r"`?(\w+)`?", row[4])
        assert set(listed) & set(SOURCES[name].protocols)
        if name != "pyskl":
            assert listed == list(SOURCES[name].protocols)
        if SOURCES[name].clips and row[2]:
            assert int(row[2].replace(",", "")) == SOURCES[name].clips


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_and_pictures_are_there(path):
    assert (ROOT / path).exists()


def test_what_determinism_costs_is_what_was_measured():
    lines = (ROOT / "results" / "determinism.txt").read_text("utf-8").splitlines()
    ratios = {line.split()[0]: re.findall(r"[\d.]+ \(", line)[2][:-2] for line in lines[3:]}
    said = re.search(r"takes ([\d.]+) of the time with `(\w+)`(.*?)\)", README, re.S)
    assert said is not None
    shown = {said[2]: said[1]}
    shown |= {name: value for value, name in re.findall(r"([\d.]+) with `(\w+)`", said[3])}
    assert shown == ratios


def test_speed_is_as_measured():
    """The benchmarks' README has the stored tables, and the README figures of them."""
    page = (ROOT / "benchmarks/README.md").read_text("utf-8")
    files = [ROOT / f"results/throughput_{what}.txt" for what in ("train", "infer")]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    whole = [line for line in lines if line.startswith("| ")]
    stages = (ROOT / "results/limits.txt").read_text("utf-8").split("Inference by stages")[1]
    profile = (ROOT / "results/profile_training.txt").read_text("utf-8")
    tables = f"{stages}\n{profile}".splitlines()
    shown = [*whole, *(line for line in tables if line.startswith("| "))]
    assert all(line in page for line in shown)
    found = {}
    for network, what, batch, ours, _, ratio, _ in (
        [cell.strip() for cell in line.strip("|").split("|")] for line in whole if line != whole[0]
    ):
        found[network, what, batch] = [ours.split()[0], ratio.split()[0]]
    for network, what, batch, *shown in rows("How fast", 5):
        assert shown == found[network, what, batch]
    wider = (ROOT / "results/throughput_train_avx512.txt").read_text("utf-8").splitlines()
    ratios = [line.split("|")[6].split()[0] for line in wider if "| train |" in line]
    assert f"training was {', '.join(ratios[:-1])} and {ratios[-1]} times" in " ".join(page.split())
    for kind in ("", "_avx2"):
        read = (ROOT / f"results/read_ntu{kind}.txt").read_text("utf-8")
        line = re.search(r"\| parse_skeleton, positions \| ([\d.]+) \| [\d.]+ \| ([\d.]+) \|", read)
        assert line is not None
        assert f"{line[1]} ms" in page
        assert f"{line[2]} times as fast" in page
        assert f"{float(line[1]):.2f} ms" in README
        assert f"{line[2]} times as fast" in README
    shares = read.split("parse_skeleton, positions: % of its time")[1].splitlines()[3]
    tokens, bodies, digits = (cell.strip() for cell in shares.strip("|").split("|"))
    text = " ".join(page.split())
    assert f"{tokens} % goes into finding where tokens end, {digits} % into turning" in text
    assert f"{bodies} % into finding bodies" in text
    feeds = (ROOT / "results/input_pipeline.txt").read_text("utf-8").splitlines()
    least = min(float(line.split("|")[5].split()[0]) for line in feeds if "read anew" in line)
    assert f"at least {int(least)} times as many" in " ".join(README.split())
