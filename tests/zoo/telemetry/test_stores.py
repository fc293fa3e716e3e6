import numpy as np
import pytest
import tensorflow as tf

from zoo.telemetry.stores import EpochStore, SumStore, create_store

TABLES = np.array([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 0.0], [7.0, 8.0]]])


def fill(store, updates=(1, 2)):
    for update, table in zip(updates, TABLES, strict=True):
        # The second row has no value in the second update.
        store.add(tf.constant(update, tf.int64), np.array([[True], [update == updates[0]]]), tf.constant(table))
    return store


def test_an_epoch_store_has_mean_minimum_and_maximum_of_present_rows():
    store = fill(EpochStore(2, ("a", "b")))
    updates, records = store.read(np.array([1, 2]))
    assert store.columns == ("a", "b", "a_min", "b_min", "a_max", "b_max")
    assert updates.tolist() == [2]
    assert records.tolist() == [[[3, 1, 1, 0, 5, 2], [3, 4, 3, 4, 3, 4]]]


def test_a_sum_store_has_the_sum_of_present_rows():
    assert fill(SumStore(2, ("a", "b"))).read(np.array([1, 2]))[1].tolist() == [[[6, 2], [3, 4]]]


@pytest.mark.parametrize("store", [EpochStore, SumStore])
def test_a_cleared_summary_has_no_record(store):
    store = fill(store(2, ("a", "b")))
    store.clear()
    assert store.read(np.array([1, 2]))[1].shape == (0, 2, len(store.columns))


def test_an_update_store_has_single_updates():
    store = fill(create_store(2, ("a", "b"), every=3, capacity=2), updates=(4, 7))
    updates, records = store.read(np.arange(3, 9))
    assert updates.tolist() == [4, 7]
    np.testing.assert_array_equal(records, [TABLES[0], [[5, 0], [np.nan, np.nan]]])
    with pytest.raises(RuntimeError, match="At most 2 records fit"):
        store.read(np.arange(1, 8))
