import pytest

from zoo import experiments
from zoo.errors import InvalidValue
from zoo.experiments import depth

QUICK = {"depths": (3, 5), "parameters": (8000, 4000), "epochs": 1, "progress": False}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return experiments.run("depth", "digits", run_dir=tmp_path_factory.mktemp("runs") / "run", **QUICK)


@pytest.mark.large
def test_it_writes_its_table_and_figure(outcome):
    _, folder = outcome
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "depth.png", "nets.csv", "summary.csv"]


@pytest.mark.large
def test_every_net_is_trained_once_with_the_right_number_of_parameters(outcome):
    nets = outcome[0].tables["nets"]
    kinds = {(kind, d, n) for kind, d, n in nets[["kind", "depth", "parameters"]].itertuples(index=False)}
    assert kinds == {
        *(("convolutional", d, n) for d in (3, 5) for n in (4000, 8000)),
        *(("fully_connected", 3, n) for n in (4000, 8000)),
    }
    assert len(nets) == 6
    assert (nets["exact_parameters"] / nets["parameters"]).between(0.9, 1.1).all()


def test_a_data_set_of_digits_means_its_sequences():
    assert depth.load_sequences("digits").name == depth.load_sequences("digits_sequences").name == "digits_sequences"
    with pytest.raises(
        InvalidValue, match="dataset must be one of sequences, digits_sequences, mnist_sequences; got moons"
    ):
        depth.load_sequences("moons")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depths": (2, 3)}, "depth must be an integer from 3 to 11; got 2"),
        ({"seeds": 0}, "seeds must be an integer >= 1; got 0"),
        ({"parameters": ()}, "parameters must be positive integers"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(InvalidValue, match=message):
        depth.run("digits", **{**QUICK, **settings})
