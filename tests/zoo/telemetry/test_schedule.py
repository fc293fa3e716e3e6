import keras
import pytest
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.telemetry.schedule import Schedule, UpdateCounter, run_if


@pytest.mark.parametrize(
    ("samples", "steps", "entries", "stride"),
    [
        ("auto", 1000, 10, 10),  # at most 100 updates
        ("auto", 1000, 25_000, 50),  # half a million entries
        ("auto", 1000, 10**9, 200),  # at least 5 updates
        (7, 15, 10, 3),
        (None, 1000, 10, 1),
        ("auto", None, 10, 1),
    ],
)
def test_stride_spreads_the_samples_over_an_epoch(samples, steps, entries, stride):
    assert Schedule("epoch", samples).compute_stride(steps, entries) == stride


@pytest.mark.parametrize(("every", "samples"), [(0, "auto"), ("step", None), ("epoch", 0), ("epoch", "all")])
def test_invalid_schedules_are_rejected(every, samples):
    with pytest.raises(InvalidValue):
        Schedule(every, samples)


def test_updates_are_due_at_intervals_of_the_optimizer_s_count():
    optimizer = keras.optimizers.SGD()
    optimizer.iterations.assign(4)
    counter = UpdateCounter(optimizer, every=3)
    counter.start(stride=1)
    assert [update for update in range(1, 10) if counter.is_due(tf.constant(update, tf.int64))] == [1, 4, 7]
    assert counter.interval == (3, 2)
    counter.updates.assign_add(2)
    assert counter.unread.tolist() == [5, 6]


@pytest.mark.parametrize("compiled", [True, False])
def test_an_action_runs_on_its_condition(compiled):
    runs = tf.Variable(0)

    def count(condition):
        run_if(condition, lambda: runs.assign_add(1))

    function = tf.function(count, autograph=False) if compiled else count
    for condition in (True, False, True):
        function(tf.constant(condition))
    assert runs.numpy() == 2
