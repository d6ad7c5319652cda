"""Keras's own callbacks in the Trainer: what they read, and what they change."""

import csv

import class_folders
import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, optimizers, stack, tasks, training
from tfvision.net import Net
from tfvision.training.callbacks import Rate

kc = keras.callbacks
pytestmark = pytest.mark.addons

# Keras 2.15's default counts samples, for which its own fit gives no number either.
COUNT = {} if stack.KERAS_3 else {"count_mode": "steps"}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """16 + 4 pictures of two shades, 8 x 8: two steps of 8 an epoch."""
    folder = tmp_path_factory.mktemp("shades")
    class_folders.write(folder / "images", {"train": 8, "val": 2}, class_folders.steps(8))
    return class_folders.convert(folder / "images", folder / "records", shards=1)


def tiny():
    """A dense layer on the pixels, whose name is the same in every run."""
    image = keras.Input([8, 8, 3], name="image")
    flat = keras.layers.Flatten()(image / 255.0)
    logits = keras.layers.Dense(2, name="dense")(flat)
    model = keras.Model({"image": image}, {"class_logits": logits})
    return Net(model, model)


def trainer(records, workdir, *callbacks, epochs=3, schedule=None, **train):
    train = {"batch_size": 8, "epochs": epochs, "log_every": 1, "precision": "float32"} | train
    config = configs.config(
        data={"path": str(records)},
        inputs={"image_size": (8, 8), "resize": "stretch"},
        optimizer={"name": "momentum"},
        schedule={"learning_rate": 0.1, "name": "constant", **(schedule or {})},
        train=train | {"steps_per_call": 1, "report_input": False},
    )
    task = tasks.build(config)
    task.build = tiny
    return training.Trainer(task, config, str(workdir), callbacks=callbacks)


def weights(run):
    return [np.array(v) for v in run.net.variables()]


class Rates(kc.Callback):
    """The learning rate after every step."""

    def on_train_begin(self, logs=None):
        self.rates = []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(round(float(self.model.optimizer.learning_rate), 6))


@pytest.fixture(scope="module")
def table(records, tmp_path_factory):
    """One run with what Keras has, and its folder."""
    folder = tmp_path_factory.mktemp("table")
    calls = []
    every = {
        "EarlyStopping": kc.EarlyStopping(patience=5),
        "ReduceLROnPlateau": kc.ReduceLROnPlateau(patience=1, min_delta=1e9),
        "TensorBoard": kc.TensorBoard(str(folder / "board"), update_freq=1),
        "CSVLogger": kc.CSVLogger(str(folder / "log.csv")),
        "ModelCheckpoint": kc.ModelCheckpoint(
            str(folder / "{epoch:02d}.weights.h5"), save_weights_only=True
        ),
        "TerminateOnNaN": kc.TerminateOnNaN(),
        "LambdaCallback": kc.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: calls.append(("epoch", epoch)),
            on_train_batch_end=lambda batch, logs: calls.append(("batch", batch, set(logs))),
            on_epoch_end=lambda epoch, logs: calls.append(("end", epoch, set(logs))),
        ),
        "ProgbarLogger": kc.ProgbarLogger(**COUNT),
        "History": kc.History(),
        "Rates": Rates(),
    }
    run = trainer(records, folder / "run", *every.values())
    run.fit()
    return every, folder, calls, run


def test_callbacks_are_called_as_by_keras_fit(table):
    _, _, calls, _ = table
    assert [call[:2] for call in calls] == [
        call for e in range(3) for call in (("epoch", e), ("batch", 0), ("batch", 1), ("end", e))
    ]
    assert calls[1][2] == {"loss", "class", "gradient_norm"}
    for call in calls[3::4]:
        assert {"loss", "learning_rate", "val_loss", "val_top1"} <= call[2]


def test_history_csv_and_weights_have_every_epoch(table):
    every, folder, _, run = table
    history = every["History"].history
    assert len(history["val_loss"]) == len(history["loss"]) == 3
    with open(folder / "log.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == history["val_loss"]
    names = sorted(path.name for path in folder.glob("*.weights.h5"))
    assert names == ["01.weights.h5", "02.weights.h5", "03.weights.h5"]
    before = weights(run)
    run.net.train.load_weights(str(folder / names[-1]))
    for value, saved in zip(before, weights(run), strict=True):
        np.testing.assert_array_equal(value, saved)


def test_a_plateau_divides_the_rate_by_ten_each_epoch(table):
    # No loss improves by 1e9: epochs 2 and 3 are plateaus, the second of them at the very end.
    every, folder, _, run = table
    np.testing.assert_allclose(every["Rates"].rates, [0.1] * 4 + [0.01] * 2, rtol=1e-5)
    np.testing.assert_allclose(run.rate.fixed, 0.001, rtol=1e-5)
    logged = [
        float(tf.make_ndarray(value.tensor))
        for path in (folder / "run" / "tensorboard" / "train").iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "learning_rate"
    ]
    np.testing.assert_allclose(logged, [0.1] * 4 + [0.01] * 2, rtol=1e-5)
    assert list((folder / "board" / "train").iterdir())


def test_early_stopping_reads_val_loss_and_stops(records, tmp_path):
    history = kc.History()
    stop = kc.EarlyStopping(min_delta=1e9, patience=1)  # its default monitors val_loss
    run = trainer(records, tmp_path / "run", history, stop, epochs=6)
    run.fit()
    assert len(history.epoch) == 2
    assert int(run.step.numpy()) == 4


def test_the_rate_that_a_callback_sets_is_the_rate_that_trains(records, tmp_path):
    by_callback = trainer(
        records, tmp_path / "callback", kc.LearningRateScheduler(lambda epoch, rate: 0.02),
        epochs=1, schedule={"name": "cosine"},
    )  # fmt: skip
    by_callback.fit()
    by_config = trainer(records, tmp_path / "config", epochs=1, schedule={"learning_rate": 0.02})
    by_config.fit()
    for one, other in zip(weights(by_callback), weights(by_config), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_resumed_run_goes_on_at_the_rate_that_was_set(records, tmp_path):
    halve = kc.LearningRateScheduler(lambda epoch, rate: rate / 2)
    rates, first, second = Rates(), Rates(), Rates()
    whole = trainer(records, tmp_path / "whole", halve, rates, checkpoint_every=1)
    whole.fit()

    class Stop(kc.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = int(self.model.optimizer.iterations) >= 3

    options = {"checkpoint_every": 1}
    trainer(records, tmp_path / "parts", halve, first, Stop(), **options).fit()
    resumed = trainer(records, tmp_path / "parts", halve, second, **options)
    resumed.fit()
    np.testing.assert_allclose(rates.rates, [0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125], rtol=1e-5)
    assert first.rates + second.rates == rates.rates
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_the_trainer_does_itself_or_cannot_use_is_refused(records, tmp_path):
    backup = kc.BackupAndRestore(str(tmp_path / "backup"))
    with pytest.raises(errors.UsageError, match="goes on from the last one; leave the callback"):
        trainer(records, tmp_path / "run", backup)
    assert not (tmp_path / "run").exists()
    rate = Rate(optimizers.schedules.Schedule("constant", 0.1, 10), tf.Variable(0))
    for wrong in (float("nan"), -1.0):
        with pytest.raises(errors.UsageError, match="must be a number >= 0"):
            rate.set(wrong)
    with pytest.raises(errors.UsageError, match=r"chosen by config\.schedule\.name"):
        rate.set(rate)
