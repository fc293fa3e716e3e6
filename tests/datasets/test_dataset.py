import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import datasets
from zoo.datasets import Split
from zoo.errors import InvalidValue, UnknownName

EMBEDDED = ["digits", "moons", "rings", "spirals", "xor"]


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_data_set_describes_itself(name):
    data = datasets.load(name)
    assert data.name == name
    assert data.input_shape == data.source.input_shape
    assert sum(map(len, data.splits.values())) == data.source.examples
    assert data.classes == len(data.source.class_names) == len(np.unique(data.train.y))
    assert data.source.title
    assert data.source.origin
    assert data.source.licence
    assert len(data.digest) == 64
    assert data.train.x.dtype == np.float32
    assert data.train.y.dtype == np.int64
    assert np.isfinite(data.train.x).all()


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_seed_decides_the_data(name):
    assert datasets.load(name, seed=3).digest == datasets.load(name, seed=3).digest
    assert datasets.load(name, seed=3).digest != datasets.load(name, seed=4).digest


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 500))
def test_splits_are_disjoint_complete_and_stratified(seed, validation):
    validation = 0 if validation < 10 else validation
    data = datasets.load("digits", validation=validation, seed=seed)
    examples = np.concatenate([split.x for split in data.splits.values()])
    original, _ = datasets.digits.read()
    assert sorted(map(bytes, examples)) == sorted(map(bytes, original))
    assert (len(data.validation) if data.validation else 0) == validation
    for counts in data.class_counts.values():
        assert np.ptp(counts / counts.sum() - np.bincount(datasets.digits.read()[1]) / 1797) < 2.5 / counts.sum()


def test_validation_is_a_share_a_number_or_0():
    assert len(datasets.load("digits", validation=0.25).validation) == round(1438 * 0.25)
    assert len(datasets.load("digits", validation=100).validation) == 100
    assert datasets.load("digits", validation=0).validation is None


@pytest.mark.parametrize("validation", [-0.1, -1, 1.5, 1438, 10_000, "half", True])
def test_validation_out_of_range_is_refused(validation):
    with pytest.raises(InvalidValue, match="validation must be a"):
        datasets.load("digits", validation=validation)


def test_too_few_examples_for_every_class_are_refused():
    with pytest.raises(InvalidValue, match="5 of 1438 examples cannot hold every class"):
        datasets.load("digits", validation=5)


@pytest.mark.parametrize("seed", [-1, 0.5, None, 2**32])
def test_an_invalid_seed_is_refused(seed):
    with pytest.raises(InvalidValue, match="seed must be an integer from 0 to 4294967295"):
        datasets.load("digits", seed=seed)


def test_a_misspelled_name_suggests_the_nearest():
    with pytest.raises(UnknownName, match='Unknown data set "minst". Did you mean "mnist"'):
        datasets.load("minst")


def test_arrays_cannot_be_changed_by_accident():
    data = datasets.load("digits")
    with pytest.raises(ValueError, match="read-only"):
        data.train.x[0] = 0


def test_a_split_without_a_label_for_each_example_is_refused():
    with pytest.raises(InvalidValue, match="a label for each example; got 3 and 2"):
        Split(np.zeros((3, 1)), np.zeros(2))


def test_the_summary_counts_examples_and_classes():
    summary = datasets.load("digits").summary()
    assert summary.index.tolist() == ["train", "validation", "test"]
    assert summary["examples"].sum() == 1797
    assert (summary[list("0123456789")].sum(axis=1) == summary["examples"]).all()


def test_the_pipeline_has_every_example_once_and_a_smaller_last_batch():
    data = datasets.load("digits")
    batches = list(data.pipeline("train", batch_size=100).as_numpy_iterator())
    assert [len(y) for _, y in batches] == [100] * 12 + [94]
    labels = {bytes(x): y for x, y in zip(data.train.x, data.train.y, strict=True)}
    drawn = [(bytes(x), y) for xs, ys in batches for x, y in zip(xs, ys, strict=True)]
    assert sorted(x for x, _ in drawn) == sorted(map(bytes, data.train.x))
    assert all(labels[x] == y for x, y in drawn)


def test_the_pipeline_shuffles_only_training_examples_in_a_new_order_at_every_pass():
    data = datasets.load("moons")
    train = data.pipeline("train", batch_size=720, seed=1)
    first, second = (next(train.as_numpy_iterator())[0] for _ in range(2))
    assert (first != second).any()
    again = data.pipeline("train", batch_size=720, seed=1)
    assert (next(again.as_numpy_iterator())[0] == first).all()
    assert (next(data.pipeline("test", batch_size=200).as_numpy_iterator())[0] == data.test.x).all()


def test_a_pipeline_of_a_missing_split_is_refused():
    with pytest.raises(InvalidValue, match="part must be one of 'train', 'test'; got 'validation'"):
        datasets.load("moons", validation=0).pipeline("validation")


class TestWithLabels:
    @settings(max_examples=25, deadline=None)
    @given(count=st.integers(10, 1294), seed=st.integers(0, 5))
    def test_the_examples_are_in_equal_shares_as_far_as_possible(self, count, seed):
        data = datasets.load("digits")
        few = data.with_labels(count, seed=seed)
        assert len(few.train) == count
        available, counts = data.class_counts["train"], few.class_counts["train"]
        limited = counts < available
        assert np.ptp(counts[limited]) <= 1 if limited.any() else count == len(data.train)
        assert few.validation is data.validation
        assert few.test is data.test

    def test_more_labels_include_the_fewer(self):
        data = datasets.load("digits")
        few, more = ({row.tobytes() for row in data.with_labels(count).train.x} for count in (50, 200))
        assert few < more

    def test_the_seed_decides_the_examples(self):
        data = datasets.load("digits")
        first, same, other = (data.with_labels(50, seed=seed).train.x for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, same)
        assert (first != other).any()

    @pytest.mark.parametrize("count", [0, 9, 1295])
    def test_fewer_labels_than_classes_or_more_than_examples_are_refused(self, count):
        with pytest.raises(InvalidValue, match="labels must be"):
            datasets.load("digits").with_labels(count)


def test_the_folds_are_five_pairs_of_complementary_halves():
    data = datasets.load("digits")
    folds = list(data.folds())
    assert len(folds) == 10
    assert len({fold.digest for fold in folds}) == 10
    for fold, other in zip(folds[::2], folds[1::2], strict=True):
        assert fold.validation is None
        assert sorted(map(bytes, fold.train.x)) == sorted(map(bytes, other.test.x))
        assert len(fold.train) + len(fold.test) == 1797
        assert np.ptp(np.bincount(fold.train.y) - np.bincount(fold.test.y)) <= 3
