"""A Keras model that trains an `RBM` layer by contrastive divergence or persistent contrastive divergence.

Hinton, Neural Computation 14, 2002 (CD); Tieleman, ICML 2008 (PCD); Hinton, UTML TR 2010-003 (settings). Both rules are
the gradient of a difference of free energies, so that Keras' training step, optimizers and distribution strategies can
be used unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import keras
import numpy as np
from keras import ops

from zoo.layers.rbm import RBM
from zoo.models.visible_data import adapt_before_fit, check_values, summarize
from zoo.utils.constraints import at_least, check, non_negative, open_probability

LEARNING_RATES = {"bernoulli": 0.1, "gaussian": 0.001}  # Hinton's guide, sections 7 and 13.2
DECAY = 0.9  # of the running mean activity to which the sparsity target is compared
MONITORED = 20  # examples per batch from which the pseudo-likelihood is estimated


@keras.saving.register_keras_serializable("zoo")
class BoltzmannMachine(keras.Model):
    """Trains an RBM. A call returns P(h = 1 | v).

    `fit(x)` needs no targets. Its metrics are the reconstruction error (sum of squares), the free energy of the data
    and, for Bernoulli units, the stochastic pseudo-log-likelihood. With `validation_data=(x,)`, the difference between
    `free_energy` and `val_free_energy` indicates overfitting.

    Args:
        rbm: The layer to train.
        input_shape: Shape of one example, which is flattened.
        k: Number of Gibbs steps. Defaults to 1.
        persistent: Whether chains continue from one update to the next (PCD) instead of starting at the data (CD).
            Defaults to False.
        chains: Number of persistent chains. Defaults to 100.
        sample_visible: Whether CD samples the visible units, too, instead of using their means as Hinton's guide does.
            Persistent chains always sample. Defaults to False.
        sample_data: Whether to treat data between 0 and 1 as probabilities and sample them at each update. Defaults to
            False.
        biases_from_data: Whether `adapt` sets the visible biases to the log-odds of the data. Defaults to True.
        sparsity_target: Target of the mean activity of the hidden units. Defaults to None, no target.
        sparsity_cost: Factor of the cross-entropy between the target and the mean activity. Defaults to 0.1.

    Raises:
        InvalidValue: An argument has the wrong type or is out of range.

    >>> import numpy as np
    >>> model = BoltzmannMachine(RBM(16, seed=0), input_shape=(8, 8, 1))
    >>> x = (np.random.default_rng(0).uniform(size=(100, 8, 8, 1)) < 0.2).astype("float32")
    >>> sorted(model.fit(x, verbose=0).history)
    ['free_energy', 'loss', 'pseudo_log_likelihood', 'reconstruction_error']
    """

    def __init__(
        self,
        rbm: RBM,
        *,
        input_shape: tuple[int, ...],
        k: int = 1,
        persistent: bool = False,
        chains: int = 100,
        sample_visible: bool = False,
        sample_data: bool = False,
        biases_from_data: bool = True,
        sparsity_target: float | None = None,
        sparsity_cost: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(**{"dtype": rbm.dtype_policy, **options})
        self._flatten = keras.layers.Flatten(name="flatten")
        self.rbm = rbm
        self.example_shape = check("input_shape", input_shape, tuple[int, ...])
        self.k = check("k", k, Annotated[int, at_least(1)])
        self.persistent = check("persistent", persistent, bool)
        self.chains = check("chains", chains, Annotated[int, at_least(1)])
        self.sample_visible = check("sample_visible", sample_visible, bool)
        self.sample_data = check("sample_data", sample_data, bool)
        self.biases_from_data = check("biases_from_data", biases_from_data, bool)
        self.sparsity_target = check("sparsity_target", sparsity_target, Annotated[float, open_probability] | None)
        self.sparsity_cost = check("sparsity_cost", sparsity_cost, Annotated[float, non_negative])
        self._monitors = {
            name: keras.metrics.Mean(name)
            for name in ("reconstruction_error", "free_energy", "pseudo_log_likelihood")
            if name != "pseudo_log_likelihood" or (rbm.visible == "bernoulli" and not rbm.labels)
        }
        self._fantasies: Any = None
        self._activity: Any = None
        self.is_adapted = False
        self.build((None, *self.example_shape))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if not self.rbm.built:  # a deserialized layer is built
            self.rbm.build((None, int(np.prod(self.example_shape))))
        if self.persistent:
            self._fantasies = _create_local_variable((self.chains, self.rbm.hidden), "zeros", "chains")
        if self.sparsity_target:
            initial = keras.initializers.Constant(self.sparsity_target)
            self._activity = _create_local_variable((self.rbm.hidden,), initial, "activity")
        self.built = True

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the inputs, as in Keras' functional models."""
        return (None, *self.example_shape)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of the outputs."""
        return (None, self.rbm.hidden)

    def call(self, inputs: Any) -> Any:
        return self.rbm(self._visible(inputs))

    def _visible(self, inputs: Any) -> Any:
        return self._flatten(ops.convert_to_tensor(inputs, sparse=False))

    def compile(self, optimizer: Any = None, **options: Any) -> None:
        """Compiles the model as Keras does, without a loss.

        Args:
            optimizer: A Keras optimizer. Defaults to None, SGD with a momentum of 0.5 and a learning rate of 0.1, or of
                0.001 for Gaussian visible units, as in Hinton's guide. `zoo.optimizers.MomentumSGD` takes a schedule of
                momenta.
            **options: Arguments of `keras.Model.compile`.
        """
        if optimizer is None:
            optimizer = keras.optimizers.SGD(LEARNING_RATES[self.rbm.visible], momentum=0.5)
        super().compile(optimizer, **options)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, x: Any = None, y: Any = None, **options: Any) -> keras.callbacks.History:
        """Trains the model as Keras does, after `compile()` if it is not compiled, and `adapt(x)`.

        A generator cannot be read twice: `adapt` is left out, with a warning.
        """
        if not self.compiled:
            self.compile()
        adapt_before_fit(self, x, steps=options.get("steps_per_epoch"))
        return super().fit(x, y, **options)

    fit.only_adapts = True  # type: ignore[attr-defined]  # so that `zoo.training.fit` need not call it

    def adapt(self, x: Any, *, steps: int | None = None) -> None:
        """Checks the data, and initializes the visible biases to fit them without hidden units.

        The data are read once. Biases that have been trained are kept. A warning tells that data of Gaussian units are
        not standardized.

        Args:
            x: All examples, `(examples, *input_shape)`: an array, tensor, data frame or sparse matrix; or batches of
                them, with or without targets, such as a `tf.data.Dataset` or a `PyDataset`.
            steps: Number of batches to read of data without an end. Defaults to None.

        Raises:
            InvalidValue: The data have another shape, are not finite, or are outside [0, 1] although the visible units
                are Bernoulli.
        """
        data = summarize(self.name, x, self.example_shape, steps=steps)
        is_gaussian = self.rbm.visible == "gaussian"
        check_values(self.name, data, sigma=self.rbm.sigma if is_gaussian else None)
        self.is_adapted = True
        if not self.biases_from_data or (self.compiled and self.optimizer.iterations.numpy()):
            return
        mean = np.clip(data.mean, 1 / (data.examples + 2), 1 - 1 / (data.examples + 2))  # never 0 or 1
        self.rbm.visible_bias.assign(data.mean if is_gaussian else np.log(mean / (1 - mean)))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Returns F(data) - F(end of the chains), whose gradient is that of contrastive divergence."""
        rbm = self.rbm
        data = ops.cast(self._visible(x), rbm.compute_dtype)
        if self.sample_data and training:
            data = ops.stop_gradient(rbm.bernoulli(data))
        weight = None if sample_weight is None else ops.cast(sample_weight, rbm.compute_dtype)
        total = rbm.hidden_input(data)
        activity = ops.stop_gradient(ops.sigmoid(total))
        end = self._persistent_chains(training) if self.persistent else self._chains_from(activity)
        end = ops.stop_gradient(end)
        energy, chain_energy = free_energies(rbm, data, total, end)
        loss = mean_over_examples(energy, weight) - mean_over_examples(
            chain_energy, None if self.persistent else weight
        )
        if self.sparsity_target and training:
            loss = loss + self._sparsity(total, activity)
        for penalty in self.losses:
            loss = loss + ops.cast(penalty, loss.dtype)
        self._update_monitors(data, ops.stop_gradient(total), ops.stop_gradient(energy), end, activity, weight)
        return loss / replicas_of(self)

    def _chains_from(self, activity: Any) -> Any:
        """Returns the visible units after k steps from the data, whose hidden units have the means `activity`."""
        rbm = self.rbm
        h = rbm.gibbs_from_hidden(rbm.bernoulli(activity), self.k - 1)
        return rbm.sample_visible(h) if self.sample_visible else rbm.visible_mean(h)

    def _persistent_chains(self, training: bool) -> Any:
        """Returns the visible units after k steps of the persistent chains, and advances the chains in training."""
        rbm = self.rbm
        v = rbm.sample_visible(rbm.gibbs_from_hidden(ops.convert_to_tensor(self._fantasies), self.k - 1))
        if training:
            self._fantasies.assign(rbm.sample_hidden(v))
        return v

    def _sparsity(self, total: Any, activity: Any) -> Any:
        """Returns a term whose gradient with respect to the input of a unit is cost * (mean activity - target)."""
        estimate = DECAY * ops.convert_to_tensor(self._activity) + (1 - DECAY) * ops.mean(activity, axis=0)
        self._activity.assign(estimate)
        excess = ops.stop_gradient(estimate - self.sparsity_target)
        return self.sparsity_cost * ops.sum(excess * ops.mean(total, axis=0))

    def _update_monitors(self, data: Any, total: Any, energy: Any, end: Any, activity: Any, weight: Any) -> None:
        rbm = self.rbm
        needs_mean = self.persistent or self.k > 1 or self.sample_visible
        reconstruction = rbm.visible_mean(activity) if needs_mean else end
        error = ops.sum(ops.square(data - reconstruction), axis=-1)
        self._monitors["reconstruction_error"].update_state(error, weight)
        self._monitors["free_energy"].update_state(energy, weight)
        if "pseudo_log_likelihood" in self._monitors:
            likelihood = rbm.pseudo_log_likelihood(ops.round(data[:MONITORED]))
            self._monitors["pseudo_log_likelihood"].update_state(likelihood)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Mapping[str, Any]:
        return self.get_metrics_result()

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "rbm": keras.saving.serialize_keras_object(self.rbm),
            "input_shape": self.example_shape,
            **{name: getattr(self, name) for name in _OPTIONS},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BoltzmannMachine:
        rbm = keras.saving.deserialize_keras_object(config["rbm"])
        return cls(**{**config, "rbm": rbm, "input_shape": tuple(config["input_shape"])})


_OPTIONS = (
    "k",
    "persistent",
    "chains",
    "sample_visible",
    "sample_data",
    "biases_from_data",
    "sparsity_target",
    "sparsity_cost",
)


def _create_local_variable(shape: tuple[int, ...], initializer: Any, name: str) -> keras.Variable:
    return keras.Variable(
        keras.initializers.get(initializer),
        shape=shape,
        trainable=False,
        synchronization="on_read",
        aggregation="only_first_replica",
        name=name,
    )


def free_energies(rbm: RBM, data: Any, total: Any, end: Any) -> tuple[Any, Any]:
    """Returns F of the data, from the total input of their hidden units, and F of the ends of the chains."""
    total = ops.concatenate([total, rbm.hidden_input(end)])
    energies = rbm.free_energy_of(ops.concatenate([data, end]), total)
    return energies[: ops.shape(data)[0]], energies[ops.shape(data)[0] :]


def mean_over_examples(values: Any, weight: Any) -> Any:
    """Returns the mean of `(batch,)` values times their weights."""
    return ops.mean(values if weight is None else values * weight)


def replicas_of(model: keras.Model) -> int:
    """Returns the number of replicas, by which a custom loss must be divided because Keras adds their gradients."""
    # Other backends of Keras have no strategies.
    return getattr(getattr(model, "distribute_strategy", None), "num_replicas_in_sync", 1)
