"""Optimizers by name, and the classes of our own: `LAMB`, `LARS`, `Momentum`, `Schedule`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from tfvision import errors, serialization, stack
from tfvision.optimizers import own, schedules
from tfvision.optimizers.own import LAMB, LARS, Momentum
from tfvision.optimizers.schedules import Schedule

__all__ = [
    "LAMB",
    "LARS",
    "OPTIMIZERS",
    "Momentum",
    "Schedule",
    "build",
    "create_slots",
    "schedules",
    "variables",
]


_ADAM = ("beta_1", "beta_2", "epsilon", "amsgrad")
_CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
# Of tensorflow-addons: those that wrap another one, and one without a learning rate.
_NOT_ALONE = ("COCOB", "Lookahead", "MovingAverage", "MultiOptimizer", "SWA")


def _keras(name: str, *names: str, decay: float = 0.0) -> Callable:
    """One of Keras's own, with decoupled weight decay that leaves biases and norms alone.

    names: its options. decay: its weight decay unless another is chosen."""
    kind = getattr(keras.optimizers, name)

    def create(learning_rate, *, weight_decay=None, exclude_from_weight_decay=None, **options):
        known = (*names, *_CLIPS, "weight_decay", "exclude_from_weight_decay")
        errors.expect(options, known, f"optimizer '{name.lower()}'")
        weight_decay = decay if weight_decay is None else weight_decay
        # Keras's AdamW takes 0 for none, the others None.
        options["weight_decay"] = weight_decay if weight_decay or decay else None
        optimizer = kind(learning_rate=learning_rate, **options)
        if weight_decay:
            left = own.UNDECAYED if exclude_from_weight_decay is None else exclude_from_weight_decay
            optimizer.exclude_from_weight_decay(var_names=list(left))
        return optimizer

    return create


def lamb(learning_rate, *, epsilon_inside_root: bool = False, **options):
    """LAMB: tensorflow-addons' where it is installed, ours elsewhere; the same path.

    epsilon_inside_root is always ours."""
    if "weight_decay_rate" in options:  # tensorflow-addons' older name
        options["weight_decay"] = options.pop("weight_decay_rate")
    addons = stack.addons()
    if addons is not None and not epsilon_inside_root:
        kind = addons.optimizers.LAMB
        return errors.call(
            functools.partial(kind, learning_rate=learning_rate), options, "optimizer 'lamb'"
        )
    return _create(LAMB, {**options, "epsilon_inside_root": epsilon_inside_root}, learning_rate)


def _own(kind: type, **fixed) -> Callable:
    def create(learning_rate, **options):
        return _create(kind, {**fixed, **options}, learning_rate)

    return create


def _create(kind: type, options: Mapping, learning_rate):
    known = [n for n in serialization.names(kind, own.Optimizer) if n != "learning_rate"]
    errors.expect(options, (*known, *_CLIPS), f"optimizer '{kind.__name__.lower()}'")
    return kind(learning_rate, **options)


OPTIMIZERS: dict[str, Callable] = {
    "sgd": _keras("SGD", "momentum", "nesterov"),
    "momentum": _own(Momentum),
    "nesterov": _own(Momentum, nesterov=True),
    "adagrad": _keras("Adagrad", "initial_accumulator_value", "epsilon"),
    "adadelta": _keras("Adadelta", "rho", "epsilon"),
    "rmsprop": _keras("RMSprop", "rho", "momentum", "epsilon", "centered"),
    "adam": _keras("Adam", *_ADAM),
    "adamw": _keras("AdamW", *_ADAM, decay=0.004),
    "lars": _own(LARS),
    "lamb": lamb,
}


def build(name: str, learning_rate, **options) -> keras.optimizers.Optimizer:
    """An optimizer by name; "addons:NAME" reaches into tensorflow-addons.

    learning_rate: a float or a schedule. Raises UsageError for an unknown name or option."""
    if name.startswith("addons:"):
        addons = stack.addons()
        if addons is None:
            raise errors.UsageError(
                f"optimizer '{name}' needs tensorflow-addons, which works with TensorFlow 2.15"
                " only: install tfvision[addons] in an environment of Python 3.10 or 3.11"
            )
        base = keras.optimizers.legacy.Optimizer
        table = {
            key: value
            for key, value in vars(addons.optimizers).items()
            if isinstance(value, type) and issubclass(value, base)
            if value is not base and key not in _NOT_ALONE
        }
        kind = errors.choose(table, name.split(":", 1)[1], "addons optimizer")
        return errors.call(
            functools.partial(kind, learning_rate=learning_rate), options, f"optimizer '{name}'"
        )
    function = errors.choose(OPTIMIZERS, name, "optimizer")
    return function(learning_rate, **options)


def create_slots(optimizer, trainable: Sequence) -> None:
    """Creates the optimizer's variables now, so that a checkpoint can be restored into them."""
    if hasattr(optimizer, "build"):
        optimizer.build(list(trainable))
    else:  # a legacy optimizer, such as tensorflow-addons' LAMB
        _ = optimizer.iterations
        optimizer._create_all_weights(list(trainable))


def variables(optimizer) -> list[tf.Variable]:
    """The optimizer's variables in a stable order, the step count first."""
    slots = optimizer.variables() if callable(optimizer.variables) else optimizer.variables
    slots = [stack.raw(v) for v in slots]
    first = stack.raw(optimizer.iterations)
    rest = [v for v in slots if v is not first]
    # A constant learning rate is a variable of Keras's; it comes from the config, not from here.
    return [first, *(v for v in rest if "learning_rate" not in v.name)]
