"""The data of an RBM: what is adapted to, refused or warned of before it is trained on."""

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

import zoo
from zoo.errors import InvalidValue
from zoo.models.visible_data import summarize
from zoo.training import fit

X = (np.random.default_rng(5).uniform(size=(12, 6)) < 0.4).astype("float32")
LOG_ODDS = np.log(X.mean(0) / (1 - X.mean(0)))


class Batches(keras.utils.PyDataset):
    """Three batches of four examples; without an end, again and again."""

    def __init__(self, x, *, ends=True):
        super().__init__()
        self._x, self._ends = x, ends

    @property
    def num_batches(self):
        return 3 if self._ends else None

    def __getitem__(self, index):
        return (self._x[4 * (index % 3) : 4 * (index % 3) + 4],)


class Loader:
    """Batches as PyTorch's DataLoader yields them."""

    def __init__(self, x):
        self._x = x

    def __iter__(self):
        return iter([[self._x[:5], np.zeros(5)], [self._x[5:], np.zeros(7)]])


def batched(x):
    return tf.data.Dataset.from_tensor_slices(x).batch(5)


KINDS = {
    "array": lambda x: x,
    "integers": lambda x: x.astype("uint8"),
    "tensor": tf.constant,
    "bfloat16": lambda x: tf.cast(x, "bfloat16"),
    "data frame": pd.DataFrame,
    "csr matrix": scipy.sparse.csr_matrix,
    "coo array": scipy.sparse.coo_array,
    "sparse tensor": tf.sparse.from_dense,
    "dataset": batched,
    "dataset with targets": lambda x: batched((x, x[:, 0])),
    "dataset of unknown size": lambda x: batched(x).filter(lambda batch: True),
    "dataset of sparse tensors": lambda x: batched(tf.sparse.from_dense(x)),
    "PyDataset": Batches,
    "loader": Loader,
}
ENDLESS = {"dataset": lambda x: batched(x).repeat(), "PyDataset": lambda x: Batches(x, ends=False)}


def small(**options):
    model = zoo.create("rbm", input_shape=(6,), hidden=4, **options)
    model.compile()
    return model


@pytest.mark.parametrize("kind", KINDS)
class TestKindsOfData:
    def test_the_biases_are_the_log_odds(self, kind):
        model = small()
        model.adapt(KINDS[kind](X))
        np.testing.assert_allclose(model.rbm.visible_bias, LOG_ODDS, atol=1e-6)

    @pytest.mark.filterwarnings("ignore::zoo.training.SlowFit")
    def test_values_beyond_1_are_refused(self, kind):
        for train in (small().fit, lambda x: fit(small(), x)):
            with pytest.raises(InvalidValue, match=r"rbm: data .* must be in \[0, 1\]; got values from 0 to 255"):
                train(KINDS[kind](255 * X))

    def test_values_that_are_not_finite_are_refused(self, kind):
        x = X.copy()
        x[3, 2] = np.nan
        if kind != "integers":
            with pytest.raises(InvalidValue, match=r"rbm: data must be finite; got 1 values"):
                small().fit(KINDS[kind](x))


@pytest.mark.parametrize("kind", ["csr matrix", "sparse tensor", "data frame", "tensor"])
def test_training_equals_that_on_an_array(kind):
    weights = []
    for x in (X, KINDS[kind](X)):
        keras.utils.set_random_seed(0)
        model = small()
        model.fit(x, batch_size=4, epochs=2, shuffle=False, verbose=0)
        weights.append(model.rbm.get_weights()[:3])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("kind", ENDLESS)
def test_of_data_without_an_end_the_steps_are_read(kind):
    model = small()
    model.adapt(ENDLESS[kind](X), steps=3)
    np.testing.assert_allclose(model.rbm.visible_bias, LOG_ODDS, atol=1e-6)
    with pytest.raises(InvalidValue, match="steps_per_epoch must be given for data without an end; got None"):
        small().fit(ENDLESS[kind](X))


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
def test_a_generator_is_warned_of_unless_the_model_was_adapted():
    def generate():
        yield (X,)

    with pytest.warns(UserWarning, match=r"rbm trains on a generator, whose values it cannot check .* call adapt"):
        small().fit(generate(), steps_per_epoch=1, verbose=0)
    model = small()
    model.adapt(X)
    model.fit(generate(), steps_per_epoch=1, verbose=0)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (None, "got NoneType"),
        (X.tolist(), "must be one array, or a Dataset that can be read twice; got list"),
        ({"x": X}, "got dict"),
        (X[:0], "must be 1 or more examples; got none"),
        (X.astype(str), "must be real numbers; got <U"),
        (X.astype(object), "must be real numbers; got object"),
        (X[:, :5], r"must have shape \(6,\); got \(5,\)"),
        (X[:, 0], r"must have shape \(6,\); got \(\)"),
        (tf.ragged.constant([[1.0], [1.0, 0.0]]), r"must have shape \(6,\); got RaggedTensor"),
        (tf.data.Dataset.from_tensor_slices(X), r"must have shape \(6,\); got \(\)"),
        (batched({"a": X}), r"must have shape \(6,\); got dict"),
    ],
)
def test_other_data_are_refused_in_one_sentence(x, message):
    with pytest.raises(InvalidValue, match=message):
        small().fit(x)


@pytest.mark.parametrize("step", [1, 5, 12])
def test_mean_and_deviation_in_batches_equal_those_of_numpy(step):
    x = np.random.default_rng(0).normal(1e4, [1, 2, 3, 4, 5, 6], (12, 6))
    summary = summarize("rbm", tf.data.Dataset.from_tensor_slices(x).batch(step), (6,))
    np.testing.assert_allclose(summary.mean, x.mean(0))
    np.testing.assert_allclose(summary.deviation, x.std(0))
    assert (summary.low, summary.high, summary.examples) == (x.min(), x.max(), 12)


def test_a_deep_belief_network_checks_its_data():
    model = zoo.create("generative_dbn", input_shape=(6,), classes=2, hidden=(5,), top=4)
    model.compile("sgd")
    for train in (model.fit, lambda *data: fit(model, *data)):
        with pytest.raises(InvalidValue, match=r"generative_dbn: data .* must be in \[0, 1\]; got"):
            train(255 * X, X[:, 0])
    model.fit(scipy.sparse.csr_matrix(X), X[:, 0], verbose=0)


class TestGaussianUnits:
    RAW = load_breast_cancer().data
    STANDARDIZED = StandardScaler().fit_transform(RAW).astype("float32")

    def errors(self, x, optimizer=None):
        keras.utils.set_random_seed(0)
        model = zoo.create("rbm", input_shape=(30,), hidden=100, visible="gaussian")
        model.compile(optimizer)
        history = fit(model, x, batch_size=20, epochs=30, verbose=0, jit_compile=False)
        return np.array(history.history["reconstruction_error"])

    def test_default_learning_rate_is_a_hundredth_of_that_of_bernoulli_units(self):
        rates = {}
        for visible in ("bernoulli", "gaussian"):
            model = small(visible=visible)
            rates[visible] = float(model.optimizer.learning_rate)
        assert rates == pytest.approx({"bernoulli": 0.1, "gaussian": 0.001})

    def test_defaults_learn_standardized_columns(self):
        """The mean alone leaves an error of 30, the number of columns; a rate of 0.1 diverges."""
        assert self.errors(self.STANDARDIZED)[-1] < 20
        assert not np.isfinite(self.errors(self.STANDARDIZED, keras.optimizers.SGD(0.1, momentum=0.5))).all()

    @pytest.mark.parametrize(
        ("x", "deviation"), [(RAW, "569"), (0.01 * STANDARDIZED, "0.01")], ids=["raw", "too small"]
    )
    def test_other_scales_are_warned_of_and_little_is_learned(self, x, deviation):
        expected = f"rbm: .* should have a standard deviation of about 1; got up to {deviation}. Standardize them"
        with pytest.warns(UserWarning, match=expected):
            errors = self.errors(x.astype("float32"))
        assert errors[-1] > 0.9 * x.var(0).sum()  # the error of the mean alone
