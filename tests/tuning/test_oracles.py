"""The algorithms without a training: the objective is a formula."""

import itertools
import json
import math
import random

import keras_tuner
import pytest

from zoo.errors import InvalidValue, RunFailed
from zoo.tuning.oracles import choose_factor, make_oracle
from zoo.tuning.plan import make_plan

ALGORITHMS = ("hyperband", "bayesian", "random", "grid")
TRIALS = {"bayesian": 6}  # its Gaussian process takes seconds; the others have 25


def plan(**settings):
    settings = {"epochs": 9, "seed": 0, "vanishing": None, "prune": False, **settings}
    return make_plan("shallow_mlp", "moons", objective=("score", "max"), **settings)


@pytest.fixture
def make(tmp_path):
    """Makes an oracle over three parameters, one of them conditional; reloads it if its state is on disk."""

    def make(algorithm, max_trials="default", seed=0, name="oracle.json"):
        max_trials = TRIALS.get(algorithm, 25) if max_trials == "default" else max_trials
        oracle = make_oracle(plan(algorithm=algorithm, max_trials=max_trials, seed=seed), tmp_path / name)
        oracle._set_project_dir(str(tmp_path), f"{name}-kerastuner")
        hp = keras_tuner.HyperParameters()
        hp.Float("x", 0.01, 1.0, sampling="log")
        hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["b"]):
            hp.Int("n", 1, 4)
        oracle.update_space(hp)
        if oracle.path.exists():
            oracle.reload()
        return oracle

    return make


def score(values):
    return -abs(math.log(values["x"]) + 2) + 0.1 * values.get("n", 0)


def step(oracle, worker="tuner0"):
    """Runs one trial; returns it, or None when the search has ended."""
    trial = oracle.create_trial(worker)
    if trial.status == "STOPPED":
        return None
    oracle.update_trial(trial.trial_id, {"score": score(trial.hyperparameters.values)})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    return trial.trial_id, dict(trial.hyperparameters.values)


def run_all(oracle):
    return list(iter(lambda: step(oracle), None))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_interrupted_search_ends_as_one_that_was_not(make, algorithm):
    expected = run_all(make(algorithm, name="uninterrupted.json"))
    assert len(expected) == TRIALS.get(algorithm, 25)
    draw, trials = random.Random(1), []
    while True:
        oracle = make(algorithm, name="broken.json")
        for _ in range(draw.randint(1, 4)):
            if (trial := step(oracle)) is None:
                assert trials == expected
                return
            trials.append(trial)
        if draw.random() < 0.7:
            oracle.create_trial("tuner0")  # has begun, and is killed


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_seed_repeats_and_0_is_one(make, algorithm):
    first, again, other = (run_all(make(algorithm, name=f"{n}.json", seed=seed)) for n, seed in enumerate((0, 0, 1)))
    assert first == again
    assert (first == other) == (algorithm == "grid")


def test_the_grid_has_every_combination_once(make):
    combinations = [values for _, values in run_all(make("grid", max_trials=None))]
    distinct = {json.dumps(values, sort_keys=True) for values in combinations}
    assert len(combinations) == len(distinct) == 10 + 10 * 4 + 1 + 4
    xs = sorted({values["x"] for values in combinations})
    kinds = [("a", None), *itertools.product("b", range(1, 5))]
    expected = {(x, *kind) for x in xs for kind in kinds}
    assert {(values["x"], values["kind"], values.get("n")) for values in combinations} == expected


@pytest.mark.parametrize(("max_trials", "epochs"), [(30, 30), (25, 9), (60, 30), (12, 20), (100, 81)])
def test_hyperband_trains_some_in_full_within_so_many_trials(tmp_path, max_trials, epochs):
    oracle = make_oracle(plan(algorithm="hyperband", max_trials=max_trials, epochs=epochs), tmp_path / "oracle")
    oracle._set_project_dir(str(tmp_path), "kerastuner")
    hp = keras_tuner.HyperParameters()
    hp.Float("x", 0.01, 1.0)
    oracle.update_space(hp)
    trials = run_all(oracle)
    assert len(trials) == max_trials
    in_full = [values["x"] for _, values in trials if values["tuner/epochs"] == epochs]
    short = [values["x"] for _, values in trials if values["tuner/round"] == 0]
    assert in_full
    assert len(short) > len(in_full)
    assert max(short, key=lambda x: score({"x": x})) in in_full or max_trials > 2 * len(short)


def test_too_few_trials_for_hyperband_are_refused_with_the_least_number():
    with pytest.raises(InvalidValue, match="needs (\\d+) trials or more") as error:
        choose_factor(3, 30)
    least = int(str(error.value).split("needs ")[1].split()[0])
    assert choose_factor(least, 30)
    with pytest.raises(InvalidValue, match="3 epochs or more"):
        choose_factor(30, 2)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_search_whose_trials_all_fail_ends_at_once(make, algorithm):
    oracle = make(algorithm)
    while (trial := oracle.create_trial("tuner0")).status != "STOPPED":
        trial.status = "FAILED"
        oracle.end_trial(trial)
    assert len(oracle.end_order) == 3


def test_a_failure_among_others_does_not_end_it(make):
    oracle = make("random")
    step(oracle)
    for _ in range(10):
        trial = oracle.create_trial("tuner0")
        trial.status = "FAILED"
        oracle.end_trial(trial)
    assert step(oracle)


def test_a_worker_that_is_started_again_gets_its_trial_again(make):
    oracle = make("random")
    mine, other = oracle.create_trial("worker-1"), oracle.create_trial("worker-2")
    assert oracle.create_trial("worker-1").trial_id == mine.trial_id != other.trial_id


def test_running_trials_come_first_and_in_order_after_a_restart(make):
    oracle = make("random")
    begun = [oracle.create_trial(f"worker-{n}").trial_id for n in range(3)]
    again = make("random")
    assert [again.create_trial(f"new-{n}").trial_id for n in range(3)] == begun
    assert again.create_trial("new-4").trial_id == "03"


def test_a_damaged_state_is_reported(make):
    oracle = make("random")
    step(oracle)
    oracle.path.write_text(oracle.path.read_text()[:-10])
    with pytest.raises(RunFailed, match="is damaged"):
        make("random")
