"""What Keras's losses on logits are made of: from a function of `logits` and `targets`, a class.

Axis letters: B images, H, W, K classes.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvision import serialization
from tfvision.ops import class_ids


class OnLogits(keras.losses.Loss):
    """Base of all. `function` takes `logits`, `targets` and the constructor's arguments."""

    function = None

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The mean (or what `reduction` says). Raises UsageError for shapes that do not fit."""
        y_true, y_pred = (tf.convert_to_tensor(values) for values in (y_true, y_pred))
        return super().__call__(y_true, y_pred, sample_weight=sample_weight)

    def call(self, y_true, y_pred):
        """The losses, unreduced. Keras leaves out of the mean what `_counts` says."""
        y_true, y_pred = (tf.convert_to_tensor(values) for values in (y_true, y_pred))
        options = serialization.arguments(self, OnLogits)
        options.pop("name", None)
        ids = class_ids.of_targets(y_true, y_pred.shape, f"loss '{self.name}'")
        targets = self._targets(ids, y_true, y_pred)
        losses = type(self).function(logits=y_pred, targets=targets, **options)
        if ids is not None:
            losses = _checked(losses, ids, y_pred.shape[-1], self._ignored(), self.name)
        counts = self._counts(targets)
        if counts is not None:
            losses._keras_mask = counts
        return losses

    def get_config(self):
        """What `__init__` takes."""
        return {**super().get_config(), **serialization.arguments(self, OnLogits)}

    def _ignored(self):
        """The id that is no class, or None."""
        return getattr(self, "ignore", None)

    def _targets(self, ids, y_true, logits):
        """What `function` takes. ids: int32 of the logits' shape without K, or None."""
        return tf.cast(y_true, tf.float32) if ids is None else ids

    def _counts(self, targets):
        """bool of the losses' shape, or None: all of them."""
        ignored = self._ignored()
        return None if ignored is None or not targets.dtype.is_integer else targets != ignored


def _checked(losses, ids, classes, ignored, name):
    """The losses if each id is a class or ignored.

    TensorFlow raises InvalidArgumentError otherwise; in a graph that XLA compiles, which has no
    errors, they are NaN."""
    known = (ids >= 0) & (ids < classes)
    known = tf.reduce_all(known if ignored is None else known | (ids == ignored))
    message = f"loss '{name}': y_true has a class id outside 0..{classes - 1}"
    with tf.control_dependencies([tf.debugging.Assert(known, [message])]):
        return tf.where(known, losses, float("nan"))


class EachClass(OnLogits):
    """Base of losses of one sigmoid a class: ids become one-hot, or of one logit 0 and 1."""

    def _ignored(self):
        return None

    def _targets(self, ids, y_true, logits):
        return tf.cast(y_true, tf.float32) if ids is None else tf.one_hot(ids, logits.shape[-1])

    def call(self, y_true, y_pred):
        """The losses, unreduced."""
        y_pred = tf.convert_to_tensor(y_pred)
        if y_pred.shape[-1] == 1:
            y_true = tf.reshape(y_true, tf.shape(y_pred))
        return super().call(y_true, y_pred)


class OnMaps(OnLogits):
    """Base of losses on label maps: one-hot becomes ids, a pixel of no class void."""

    def _ignored(self):
        return self.void

    def _targets(self, ids, y_true, logits):
        return class_ids.best(y_true, self.void) if ids is None else ids

    def _counts(self, targets):
        return None


class OnPixels(OnMaps):
    """Base of losses of each pixel: void is no part of the mean."""

    def _counts(self, targets):
        return targets != self.void
