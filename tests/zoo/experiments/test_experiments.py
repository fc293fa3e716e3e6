import inspect

import pytest

from zoo import datasets, experiments
from zoo.errors import InvalidValue, UnknownName
from zoo.utils.constraints import describe


class Loaded(Exception):
    pass


def test_each_has_a_default_data_set(monkeypatch):
    def load(name):
        raise Loaded(name)

    monkeypatch.setattr(datasets, "load", load)
    for name in experiments.names():
        run = experiments._load_module(name).run
        with pytest.raises(Loaded, match=f"^{inspect.signature(run).parameters['dataset'].default}$"):
            experiments.run(name)


def test_a_misspelled_setting_is_reported_before_anything_runs(tmp_path):
    with pytest.raises(UnknownName, match='Did you mean "seeds"'):
        experiments.run("few-labels", "digits", seed=3, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_setting_out_of_range_leaves_no_folder(tmp_path):
    with pytest.raises(InvalidValue, match="seeds must be an integer >= 1; got 0"):
        experiments.run("few-labels", "digits", seeds=0, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_every_setting_has_a_type_that_the_command_line_can_read():
    for name in experiments.names():
        for annotation in experiments.options_of(name).values():
            assert describe(annotation)


def test_each_has_a_question_and_defaults_for_every_setting():
    for name in experiments.names():
        card = experiments.card(name)
        assert card.question[0].isupper()
        assert card.question[-1] in "?."
        assert list(card.settings) == list(experiments.options_of(name))
        assert inspect.Parameter.empty not in card.settings.values()
