"""Callbacks act as in Keras' `fit`, and a checkpoint keeps their state."""

import collections
import json

import keras
import numpy as np
import pandas as pd
import pytest

from tests.zoo.loop.small_model import assert_same_weights, create_model
from zoo.errors import InvalidValue, RunFailed
from zoo.training import SlowFit, fit

pytestmark = pytest.mark.usefixtures("no_timings")
OPTIONS = {"batch_size": 10, "epochs": 6, "shuffle": False, "verbose": 0}
HOOKS = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_")]
STEP_BY_STEP = {"on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"}


def create_callback(hook, calls):
    def method(self, *args, **kwargs):
        numbers = [value for value in (*args, *kwargs.values()) if isinstance(value, int)]
        logs = [sorted(value) for value in (*args, *kwargs.values()) if isinstance(value, dict)]
        calls.append((hook, *numbers, *logs))

    return type("Own", (keras.callbacks.Callback,), {hook: method})()


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if "batch" in hook])
def test_every_hook_by_step_is_called_as_in_keras(points, hook, recwarn):
    calls, expected = [], []
    options = {**OPTIONS, "epochs": 2, "validation_split": 0.25}
    fit(create_model(), *points, callbacks=[create_callback(hook, calls)], **options)
    create_model().fit(*points, callbacks=[create_callback(hook, expected)], **options)
    assert calls == expected
    assert bool([each for each in recwarn if each.category is SlowFit]) == (hook in STEP_BY_STEP)


def test_the_other_hooks_are_called_in_the_order_of_keras(points, recwarn):
    hooks = [hook for hook in HOOKS if "batch" not in hook]
    calls, expected = [], []
    options = {**OPTIONS, "epochs": 2, "validation_split": 0.25}
    fit(create_model(), *points, callbacks=[create_callback(hook, calls) for hook in hooks], **options)
    create_model().fit(*points, callbacks=[create_callback(hook, expected) for hook in hooks], **options)
    assert calls == expected
    assert [call[0] for call in calls[:5]] == [
        "on_train_begin", "on_epoch_begin", "on_test_begin", "on_test_end", "on_epoch_end",
    ]  # fmt: skip
    assert not [each for each in recwarn if each.category is SlowFit]


def averaged():
    return create_model(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9))


CALLBACKS = {
    "EarlyStopping": (create_model, lambda _: keras.callbacks.EarlyStopping("loss", min_delta=1, patience=2)),
    "EarlyStopping, best weights": (
        create_model,
        lambda _: keras.callbacks.EarlyStopping("val_accuracy", patience=2, restore_best_weights=True),
    ),
    "ReduceLROnPlateau": (create_model, lambda _: keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1)),
    "LearningRateScheduler": (
        create_model,
        lambda _: keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)),
    ),
    "TerminateOnNaN": (create_model, lambda _: keras.callbacks.TerminateOnNaN()),
    "LambdaCallback": (
        create_model,
        lambda path: keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: (path / str(epoch)).touch()),
    ),
    "ModelCheckpoint": (create_model, lambda path: keras.callbacks.ModelCheckpoint(path / "{epoch}.keras")),
    "ModelCheckpoint of the best": (
        create_model,
        lambda path: keras.callbacks.ModelCheckpoint(path / "{epoch}.keras", "val_loss", save_best_only=True),
    ),
    "CSVLogger": (create_model, lambda path: keras.callbacks.CSVLogger(path / "log.csv")),
    "TensorBoard": (create_model, lambda path: keras.callbacks.TensorBoard(path)),
    "SwapEMAWeights": (averaged, lambda _: keras.callbacks.SwapEMAWeights()),
    "SwapEMAWeights, every epoch": (averaged, lambda _: keras.callbacks.SwapEMAWeights(swap_on_epoch=True)),
    "BackupAndRestore": (create_model, lambda path: keras.callbacks.BackupAndRestore(path / "backup")),
    "ModelCheckpoint by step": (
        create_model,
        lambda path: keras.callbacks.ModelCheckpoint(path / "{epoch}-{batch}.keras", save_freq=3),
    ),
}


@pytest.mark.filterwarnings("ignore::zoo.training.SlowFit")
@pytest.mark.parametrize(("create", "callback"), CALLBACKS.values(), ids=CALLBACKS)
def test_callbacks_of_keras_act_as_in_its_fit(points, tmp_path, create, callback):
    models, histories, files = (create(), create()), [], []
    for number, (model, train) in enumerate(zip(models, (keras.Model.fit, fit), strict=True)):
        (folder := tmp_path / str(number)).mkdir()
        # A list of one and the callback itself are both taken.
        callbacks = callback(folder) if number else [callback(folder)]
        history = train(model, *points, validation_split=0.25, callbacks=callbacks, **OPTIONS)
        histories.append(history.history)
        files.append({path.name for path in folder.iterdir()})
    assert_same_weights(*models)
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-4, atol=1e-6, err_msg=name)
    assert files[0] == files[1]


def test_backup_and_restore_continues_a_training(points, tmp_path):
    class Fail(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 4:
                raise KeyboardInterrupt

    whole, restored = create_model(), create_model()
    fit(whole, *points, **OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        fit(create_model(), *points, callbacks=[keras.callbacks.BackupAndRestore(tmp_path), Fail()], **OPTIONS)
    history = fit(restored, *points, callbacks=[keras.callbacks.BackupAndRestore(tmp_path)], **OPTIONS)
    assert history.epoch == [4, 5]
    assert_same_weights(restored, whole)
    with pytest.raises(InvalidValue, match="checkpoint or the callback BackupAndRestore, not both"):
        fit(create_model(), *points, callbacks=[keras.callbacks.BackupAndRestore(tmp_path)],
            checkpoint=tmp_path / "c.npz", **OPTIONS)  # fmt: skip


class Kill(keras.callbacks.Callback):
    restores_itself = True

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            raise KeyboardInterrupt


class Counter(keras.callbacks.Callback):
    """Counts epochs, and changes the training by the count."""

    def __init__(self):
        super().__init__()
        self.epochs, self.losses, self.table = 0, [], {"best": np.float32(9)}

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
        self.losses.append(logs["loss"])
        self.table["best"] = min(self.table["best"], np.float32(logs["loss"]))
        self.model.optimizer.learning_rate = 0.1 / self.epochs


@pytest.mark.parametrize(
    ("create", "callback"),
    [
        (
            create_model,
            lambda: keras.callbacks.EarlyStopping("loss", mode="max", patience=9, restore_best_weights=True),
        ),
        (create_model, lambda: keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1)),
        (averaged, keras.callbacks.SwapEMAWeights),
        (averaged, lambda: keras.callbacks.SwapEMAWeights(swap_on_epoch=True)),
        (create_model, Counter),
    ],
    ids=["EarlyStopping", "ReduceLROnPlateau", "SwapEMAWeights", "SwapEMAWeights, every epoch", "one's own"],
)
def test_a_killed_training_resumes_the_state_of_its_callbacks(points, tmp_path, create, callback):
    options = {**OPTIONS, "jit_compile": False, "validation_split": 0.25}
    whole, resumed = create(), create()
    expected_callback, resumed_callback = callback(), callback()
    expected = fit(whole, *points, callbacks=[expected_callback], **options)
    with pytest.raises(KeyboardInterrupt):
        fit(create(), *points, callbacks=[callback(), Kill()], checkpoint=tmp_path / "c.npz", **options)
    history = fit(resumed, *points, callbacks=[resumed_callback], checkpoint=tmp_path / "c.npz", **options)
    assert history.history == expected.history
    assert history.epoch == expected.epoch
    for weight, expected_weight in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected_weight)
    if isinstance(resumed_callback, Counter):
        assert vars(resumed_callback).keys() == vars(expected_callback).keys()
        assert resumed_callback.losses == expected_callback.losses
        assert resumed_callback.table == expected_callback.table


def test_a_training_that_stopped_early_stays_so_unless_the_epochs_are_raised(points, tmp_path):
    def train(epochs):
        model = create_model()
        stopping = keras.callbacks.EarlyStopping(
            "loss", min_delta=9, patience=2, restore_best_weights=True, start_from_epoch=1
        )
        options = {**OPTIONS, "epochs": epochs, "jit_compile": False, "checkpoint": tmp_path / "c.npz"}
        return model, fit(model, *points, callbacks=[stopping], **options)

    first, history = train(6)
    assert history.epoch == [0, 1, 2, 3]
    again, history = train(6)
    assert history.epoch == [0, 1, 2, 3]
    assert_same_weights(again, first)
    assert train(7)[1].epoch == [0, 1, 2, 3, 4]  # its patience has run out already


def test_what_a_checkpoint_cannot_keep_is_named(points, tmp_path):
    class Own(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.generator = np.random.default_rng(epoch)

    options = {**OPTIONS, "epochs": 1, "checkpoint": tmp_path / "c.npz"}
    with pytest.warns(UserWarning, match=r"cannot keep .*Own\.generator, Generator: after an interruption"):
        fit(create_model(), *points, callbacks=[Own()], **options)
    with pytest.warns(UserWarning, match="no state of the callback Counter, which begins anew"):
        fit(create_model(), *points, callbacks=[Counter()], **{**options, "epochs": 2})


def test_a_log_is_continued_by_a_resumed_training(points, tmp_path):
    for epochs in (2, 4):
        callback = keras.callbacks.CSVLogger(tmp_path / "log.csv")
        fit(
            create_model(),
            *points,
            callbacks=[callback],
            checkpoint=tmp_path / "c.npz",
            **{**OPTIONS, "epochs": epochs},
        )
    assert pd.read_csv(tmp_path / "log.csv")["epoch"].tolist() == [0, 1, 2, 3]


def test_a_step_that_needs_keras_ends_a_training_with_a_checkpoint(points, tmp_path):
    class EveryStep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    class Uncompilable(keras.Model):
        def train_step(self, data):
            return {"loss": float(self(data[0])[0, 0].numpy())}

    inputs = keras.Input((2,))
    uncompilable = Uncompilable(inputs, keras.layers.Dense(1)(inputs))
    uncompilable.compile("sgd", "mse")
    checkpoint = tmp_path / "c.npz"
    with pytest.raises(InvalidValue, match="A training with a checkpoint runs in compiled calls; .*EveryStep must be"):
        fit(create_model(), *points, callbacks=[EveryStep()], checkpoint=checkpoint)
    with pytest.raises((InvalidValue, AttributeError, NotImplementedError), match="compiled|numpy"):
        fit(uncompilable, *points, checkpoint=checkpoint)
    assert not checkpoint.exists()


def test_a_callback_that_replaces_the_optimizer_ends_the_training(points):
    class Replace(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.compile("adam", self.model.loss)

    with pytest.raises(RunFailed, match="A callback has replaced the optimizer of .*; call fit again"):
        fit(create_model(), *points, callbacks=[Replace()], **OPTIONS)


def test_a_callback_that_changes_what_is_trainable_is_warned_of(points):
    class Freeze(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.layers[0].trainable = False

    with pytest.warns(UserWarning, match="has no effect before the model is compiled and fit is called again"):
        fit(create_model(), *points, callbacks=[Freeze()], **OPTIONS)


def test_a_checkpoint_of_the_first_version_is_resumed(points, tmp_path):
    """Its history stands in a list of epochs, and it has no state of callbacks."""
    checkpoint = tmp_path / "c.npz"
    options = {**OPTIONS, "jit_compile": False, "checkpoint": checkpoint}
    history = fit(create_model(), *points, **{**options, "epochs": 2})
    with np.load(checkpoint) as content:
        arrays = {name: content[name] for name in content.files if name.isdigit()}
        position = json.loads(str(content["position"]))
    epochs = [dict(zip(history.history, values, strict=True)) for values in zip(*history.history.values(), strict=True)]
    old = {"epoch": 2, "step": 0, "history": epochs, "way": position["compile_mode"], "seconds": 1.0}
    np.savez(checkpoint, position=np.array(json.dumps(old)), **arrays)
    whole, resumed = create_model(), create_model()
    expected = fit(whole, *points, **{**OPTIONS, "jit_compile": False, "epochs": 4})
    assert fit(resumed, *points, **{**options, "epochs": 4}).history == expected.history
    assert_same_weights(resumed, whole)


def test_sets_and_queues_of_a_callback_are_kept(points, tmp_path):
    class Collects(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen, self.recent = set(), collections.deque()

        def on_epoch_end(self, epoch, logs=None):
            self.seen.add(epoch)
            self.recent.append(epoch)

    for epochs in (2, 4):
        callback = Collects()
        fit(create_model(), *points, **{**OPTIONS, "epochs": epochs}, callbacks=callback, checkpoint=tmp_path / "c.npz")
    assert (callback.seen, callback.recent) == ({0, 1, 2, 3}, collections.deque([0, 1, 2, 3]))
