"""Arguments are completed from the record of the weights, before anything is loaded."""

import pytest

from keras_skeleton.commands.network import check_names, pretrained_entry
from keras_skeleton.commands.train import _parser
from keras_skeleton.utils.errors import UserError
from keras_skeleton.zoo.entries import read_zoo

pytestmark = pytest.mark.skipif(not read_zoo(), reason="no trained weights here")
NAME = "csta_cnn_synthetic_cs"


def completed(*words):
    args = _parser().parse_args(["--weights", NAME, *words])
    check_names(args)
    return args


@pytest.mark.parametrize("words", [(), ("--protocol", "cs"), ("--protocol", "xsub")])
def test_a_name_of_the_zoo_is_enough_and_aliases_are_known(words):
    args = completed(*words)
    assert (args.model, args.dataset, args.protocol) == ("csta_cnn", "synthetic", "cs")
    assert pretrained_entry(args).name == NAME


@pytest.mark.parametrize(
    ("words", "both"),
    [
        (("--model", "lstm"), ("csta_cnn", "lstm")),
        (("--dataset", "folder"), ("synthetic", "folder")),
        (("--protocol", "cv"), ("cs", "cv")),
        (("--recipe", "tuned"), ("paper", "tuned")),
        (("--fold", "2"), ("fold 1", "2")),
    ],
)
def test_other_names_are_refused_with_both_sides(words, both):
    with pytest.raises(UserError) as error:
        pretrained_entry(completed(*words))
    for side in (NAME, *both):
        assert side in str(error.value)
