"""Optimizers by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tfvision import errors, stack
from tfvision.optimizers import own, schedules

__all__ = ["OPTIMIZERS", "build", "create_slots", "schedules", "variables"]


def _keras(name: str, **fixed) -> Callable:
    """One of Keras's own, with decoupled weight decay that leaves biases and norms alone."""
    kind = getattr(keras.optimizers, name)
    usual = inspect.signature(kind.__init__).parameters["weight_decay"].default

    def create(learning_rate, *, weight_decay=None, exclude_from_weight_decay=None, **options):
        if weight_decay is None:
            weight_decay = usual or 0.0
        # AdamW decays by 0.004 unless it is told not to, the others take None for none.
        options["weight_decay"] = weight_decay if weight_decay or usual else None
        known = [p for p in inspect.signature(kind.__init__).parameters if p != "self"]
        for option in options:
            if option not in known and option not in ("clipnorm", "clipvalue", "global_clipnorm"):
                raise errors.UsageError(
                    f"optimizer '{name}' has no option '{option}'"
                    f"{errors.suggestion(option, known)} (its options: {', '.join(known)})"
                )
        optimizer = kind(learning_rate=learning_rate, **fixed, **options)
        if weight_decay:
            names = (
                own.UNDECAYED if exclude_from_weight_decay is None else exclude_from_weight_decay
            )
            optimizer.exclude_from_weight_decay(var_names=list(names))
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
    options["epsilon_inside_root"] = epsilon_inside_root
    return errors.call(own.Lamb, options, "optimizer 'lamb'", learning_rate)


def _own(kind: type, **fixed) -> Callable:
    def create(learning_rate, **options):
        what = f"optimizer '{kind.__name__.lower()}'"
        return errors.call(kind, {**fixed, **options}, what, learning_rate)

    return create


OPTIMIZERS: dict[str, Callable] = {
    "sgd": _keras("SGD"),
    "momentum": _own(own.Momentum),
    "nesterov": _own(own.Momentum, nesterov=True),
    "adagrad": _keras("Adagrad"),
    "adadelta": _keras("Adadelta"),
    "rmsprop": _keras("RMSprop"),
    "adam": _keras("Adam"),
    "adamw": _keras("AdamW"),
    "lars": _own(own.Lars),
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
            if isinstance(value, type)
            and issubclass(value, base)
            and "learning_rate" in inspect.signature(value).parameters
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
