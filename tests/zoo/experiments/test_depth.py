import pytest

from zoo import experiments
from zoo.errors import InvalidValue
from zoo.experiments import depth

QUICK = {"depths": (3, 5), "parameters": (8000, 4000), "epochs": 1, "progress": False}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return experiments.run("depth", "digits", run_dir=tmp_path_factory.mktemp("runs") / "run", **QUICK)


def test_it_leaves_its_table_and_figure(ran):
    _, folder = ran
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "depth.png", "nets.csv", "summary.csv"]


def test_every_net_is_trained_once_and_has_the_parameters_it_should(ran):
    nets = ran[0].tables["nets"]
    kinds = {(kind, d, n) for kind, d, n in nets[["kind", "depth", "parameters"]].itertuples(index=False)}
    assert kinds == {
        *(("convolutional", d, n) for d in (3, 5) for n in (4000, 8000)),
        *(("fully_connected", 3, n) for n in (4000, 8000)),
    }
    assert len(nets) == 6
    assert (nets["exact_parameters"] / nets["parameters"]).between(0.9, 1.1).all()


def test_single_digits_stand_for_the_sequences_made_of_them():
    assert depth.load_sequences("digits").name == depth.load_sequences("digits_sequences").name == "digits_sequences"
    with pytest.raises(
        InvalidValue, match="dataset must be one of sequences, digits_sequences, mnist_sequences; got moons"
    ):
        depth.load_sequences("moons")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"depths": (2, 3)}, "depth must be an integer from 3 to 11; got 2"),
        ({"seeds": 0}, "seeds must be an integer >= 1; got 0"),
        ({"parameters": ()}, "parameters must be positive integers"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        depth.run("digits", **{**QUICK, **settings})
