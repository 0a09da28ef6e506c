from keras_skeleton.cli import main
from keras_skeleton.commands.detect import GATES
from keras_skeleton.detection import detector
from keras_skeleton.reproduction.tables import DETECTORS


def test_the_names_are_everywhere_the_same():
    assert GATES == detector.GATES == DETECTORS["gates"]
    assert tuple(detector.OF_PAPER) == DETECTORS["tap_lstm"]


def test_a_table_has_all_methods(capsys):
    words = ["detect", "--dataset", "synthetic", "--protocol", "untrimmed"]
    assert main([*words, "--table", "--method", "gate_b"]) == 2
    assert "--method" in capsys.readouterr().err
