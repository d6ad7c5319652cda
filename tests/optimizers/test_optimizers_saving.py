"""A compiled model with our optimizers and schedules goes on after it was saved and loaded."""

import json

import keras
import numpy as np
import pytest

from tfvision import optimizers

pytestmark = pytest.mark.addons

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 5)).astype(np.float32), RNG.normal(size=(8, 3)).astype(np.float32)
# Every argument but the rate, none of them the default.
OPTIMIZERS = {
    optimizers.LAMB: {
        "beta_1": 0.8,
        "beta_2": 0.9,
        "epsilon": 1e-3,
        "weight_decay": 0.1,
        "exclude_from_weight_decay": ["bias"],
        "exclude_from_layer_adaptation": ["kernel"],
        "epsilon_inside_root": True,
        "name": "mine",
        "clipnorm": 0.5,
    },
    optimizers.LARS: {
        "momentum": 0.8,
        "weight_decay": 0.1,
        "eta": 0.01,
        "exclude": ["first"],
        "name": "mine",
        "clipvalue": 0.5,
    },
    optimizers.Momentum: {
        "momentum": 0.8,
        "dampening": 0.5,
        "nesterov": True,
        "weight_decay": 0.1,
        "exclude_from_weight_decay": ["first"],
        "name": "mine",
        "global_clipnorm": 0.5,
    },
}
SCHEDULES = {
    "cosine": {"end": 0.2},
    "piecewise": {"boundaries": (0.3, 0.6), "factors": (0.5, 0.1)},
}


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
def test_an_optimizer_is_made_again_from_its_configuration(kind):
    optimizer = kind(0.25, **OPTIMIZERS[kind])
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(optimizer)))
    assert stored["registered_name"] == f"tfvision>{kind.__name__}"
    assert {k: stored["config"][k] for k in OPTIMIZERS[kind]} == OPTIMIZERS[kind]
    assert stored["config"]["learning_rate"] == 0.25
    again = keras.saving.deserialize_keras_object(stored)
    assert again.get_config() == optimizer.get_config()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_made_again_from_its_configuration(name):
    options = {"warmup": 2, "warmup_power": 2.0, **SCHEDULES[name]}
    schedule = optimizers.Schedule(name, 0.1, 10, **options)
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    assert stored["registered_name"] == "tfvision>Schedule"
    again = keras.saving.deserialize_keras_object(stored)
    rates = [float(schedule(step)) for step in range(10)]
    assert [float(again(step)) for step in range(10)] == rates
    assert len(set(rates)) > 3


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
def test_a_loaded_model_trains_on_as_if_it_had_never_been_saved(tmp_path, kind):
    x = keras.Input((5,))
    y = keras.layers.Dense(3, name="second")(keras.layers.Dense(4, name="first")(x))
    model = keras.Model(x, y)
    rate = optimizers.Schedule("cosine", 0.1, 20, warmup=3)
    model.compile(kind(rate, **OPTIMIZERS[kind]), loss="mse")
    train = {"batch_size": 4, "epochs": 3, "shuffle": False, "verbose": 0}
    model.fit(X, Y, **train)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is kind
    assert int(loaded.optimizer.iterations) == 6
    assert isinstance(loaded.optimizer._learning_rate, optimizers.Schedule)
    before = loaded.get_weights()
    losses = [part.fit(X, Y, **train).history["loss"] for part in (model, loaded)]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    for one, other, start in zip(model.get_weights(), loaded.get_weights(), before, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
        assert not np.array_equal(other, start)


def test_clipping_by_keras_is_an_option_of_ours():
    assert optimizers.build("lars", 0.1, clipnorm=2.0).clipnorm == 2.0
