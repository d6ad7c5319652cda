"""The optimizers that Keras does not have, or not as their papers say: LAMB, LARS, momentum.

One code base for Keras 3 and Keras 2.15, whose `update_step` and slots differ in signature only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import keras
import tensorflow as tf

from tfvision import serialization, stack
from tfvision.serialization import register

# Biases and normalisation, which are not decayed unless asked for.
UNDECAYED = ("bias", "gamma", "beta", "alpha")


class Optimizer(keras.optimizers.Optimizer):
    """Base of ours. Names of slots in `SLOTS`; `step` returns the new values.

    settings: what `step` reads, the arguments of the subclass. options: Keras's own, such as
    `clipnorm`."""

    SLOTS: tuple[str, ...] = ()

    def __init__(self, learning_rate, name, settings, **options):
        if stack.KERAS_3:
            super().__init__(learning_rate=learning_rate, name=name, **options)
        else:
            super().__init__(name=name, **options)
            self._learning_rate = self._build_learning_rate(learning_rate)
        self.settings = settings

    def build(self, variables):
        """Creates the slots of `variables`, zeros of their shapes."""
        already = getattr(self, "_slots", None)
        super().build(variables)
        if already is not None:
            return
        self._slots = {}
        # Keras 3 hands the bare tf.Variable to update_step, which does not know its full path.
        self._paths = [stack.variable_path(variable) for variable in variables]
        for index, variable in enumerate(variables):
            for slot in self.SLOTS:
                created = self.add_variable_from_reference(variable, slot)
                self._slots[slot, index] = created

    def update_step(self, gradient, variable, learning_rate=None):
        """One variable's update; called by Keras."""
        if learning_rate is None:
            learning_rate = self.learning_rate
        rate = tf.cast(learning_rate, variable.dtype)
        index = stack.variable_index(self, variable)
        slots = [self._slots[slot, index] for slot in self.SLOTS]
        gradient = tf.convert_to_tensor(gradient)
        value = tf.convert_to_tensor(stack.raw(variable))
        new, new_slots = self.step(
            gradient,
            value,
            rate,
            [tf.convert_to_tensor(stack.raw(s)) for s in slots],
            self._paths[index],
        )
        for slot, content in zip(slots, new_slots, strict=True):
            slot.assign(content)
        variable.assign(new)

    def step(self, gradient, value, rate, slots, path):
        """Returns (new value, new slots)."""
        raise NotImplementedError

    def get_config(self):
        """What `__init__` takes."""
        config = super().get_config()
        if not stack.KERAS_3:
            config["learning_rate"] = self._serialize_hyperparameter(self._learning_rate)
        return {**config, **serialization.plain(self.settings)}


def _matches(path: str, patterns: Sequence[str] | None) -> bool:
    return any(re.search(pattern, path) for pattern in patterns or ())


def _trust(norm, update_norm):
    """norm / update_norm, 1 where either is 0."""
    safe = tf.where(update_norm > 0, update_norm, 1.0)
    return tf.where((norm > 0) & (update_norm > 0), norm / safe, 1.0)


@register
class LAMB(Optimizer):
    """LAMB (You et al. 2019, arXiv:1904.00962, algorithm 2), with tensorflow-addons' arguments.

    update = m^ / (sqrt(v^) + epsilon) + weight_decay * w; w -= rate * |w| / |update| * update,
    with bias-corrected moments and a trust ratio of 1 where either norm is 0. Exclusions are
    regular expressions searched in the variable's path; without exclude_from_layer_adaptation
    those of the weight decay count for both. epsilon_inside_root: sqrt(v^ + epsilon)."""

    SLOTS = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        weight_decay=0.0,
        exclude_from_weight_decay=None,
        exclude_from_layer_adaptation=None,
        epsilon_inside_root=False,
        name="LAMB",
        **options,
    ):
        settings = {
            "beta_1": beta_1,
            "beta_2": beta_2,
            "epsilon": epsilon,
            "weight_decay": weight_decay,
            "exclude_from_weight_decay": exclude_from_weight_decay,
            "exclude_from_layer_adaptation": exclude_from_layer_adaptation,
            "epsilon_inside_root": epsilon_inside_root,
        }
        super().__init__(learning_rate, name, settings, **options)

    def step(self, gradient, value, rate, slots, path):
        """See the class."""
        s = self.settings
        step = tf.cast(tf.convert_to_tensor(stack.raw(self.iterations)) + 1, value.dtype)
        # One rounding of each beta for the mean and its correction: near 1, two would not cancel.
        beta_1, beta_2 = (tf.cast(s[name], value.dtype) for name in ("beta_1", "beta_2"))
        m = beta_1 * slots[0] + (1 - beta_1) * gradient
        v = beta_2 * slots[1] + (1 - beta_2) * tf.square(gradient)
        m_hat = m / (1 - tf.pow(beta_1, step))
        v_hat = v / (1 - tf.pow(beta_2, step))
        if s["epsilon_inside_root"]:
            update = m_hat / tf.sqrt(v_hat + s["epsilon"])
        else:
            update = m_hat / (tf.sqrt(v_hat) + s["epsilon"])
        undecayed = s["exclude_from_weight_decay"]
        if s["weight_decay"] and not _matches(path, undecayed):
            update += s["weight_decay"] * value
        ratio = 1.0
        if not _matches(path, s["exclude_from_layer_adaptation"] or undecayed):
            ratio = _trust(tf.norm(value), tf.norm(update))
        return value - ratio * rate * update, [m, v]


@register
class LARS(Optimizer):
    """LARS (You et al. 2017, arXiv:1708.03888, algorithm 1).

    local = eta * |w| / (|g| + weight_decay * |w|), 1 where either norm is 0;
    m = momentum * m + rate * local * (g + weight_decay * w); w -= m. Excluded variables take
    neither decay nor the local rate."""

    SLOTS = ("momentum",)

    def __init__(
        self,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=0.0,
        eta=0.001,
        exclude=UNDECAYED,
        name="LARS",
        **options,
    ):
        settings = {
            "momentum": momentum,
            "weight_decay": weight_decay,
            "eta": eta,
            "exclude": tuple(exclude or ()),
        }
        super().__init__(learning_rate, name, settings, **options)

    def step(self, gradient, value, rate, slots, path):
        """See the class."""
        s = self.settings
        local = tf.ones([], value.dtype)
        if not _matches(path, s["exclude"]):
            norm, gradient_norm = tf.norm(value), tf.norm(gradient)
            whole = gradient_norm + s["weight_decay"] * norm
            safe = tf.where(whole > 0, whole, 1.0)
            local = tf.where((norm > 0) & (gradient_norm > 0), s["eta"] * norm / safe, 1.0)
            gradient += s["weight_decay"] * value
        m = s["momentum"] * slots[0] + rate * local * gradient
        return value - m, [m]


@register
class Momentum(Optimizer):
    """m = momentum * m + (1 - dampening) * g; w -= rate * (m + decoupled weight_decay * w).

    dampening=0 is the heavy ball; dampening=momentum is the average that textbooks write.
    (Sutskever et al. 2013.) The rate is outside m, as in torch. nesterov: g + momentum * m."""

    SLOTS = ("momentum",)

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.9,
        dampening=0.0,
        nesterov=False,
        weight_decay=0.0,
        exclude_from_weight_decay=UNDECAYED,
        name="momentum",
        **options,
    ):
        settings = {
            "momentum": momentum,
            "dampening": dampening,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "exclude_from_weight_decay": tuple(exclude_from_weight_decay or ()),
        }
        super().__init__(learning_rate, name, settings, **options)

    def step(self, gradient, value, rate, slots, path):
        """See the class."""
        s = self.settings
        m = s["momentum"] * slots[0] + (1.0 - s["dampening"]) * gradient
        update = gradient + s["momentum"] * m if s["nesterov"] else m
        if s["weight_decay"] and not _matches(path, s["exclude_from_weight_decay"]):
            update += s["weight_decay"] * value
        return value - rate * update, [m]
