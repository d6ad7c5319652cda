"""The losses on logits as Keras's losses: `loss(y_true, y_pred)`, for `model.compile`.

y_pred: logits, [B, K] or [B, H, W, K]. y_true: class ids, with or without a last axis of 1, or
one-hot. Each class takes the options of its function, and Keras's `reduction` and `name`, and gives
the mean of what the function does. What is ignored or void is no part of that mean, as with
Keras's `ignore_class`.

Axis letters: B images, H, W, K classes.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvision import errors, serialization
from tfvision.losses import classification_losses, distances, segmentation_losses
from tfvision.schema import VOID
from tfvision.serialization import register


class OnLogits(keras.losses.Loss):
    """Base of all. `function` takes `logits`, `targets` and the constructor's arguments."""

    function = None

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The mean (or what `reduction` says). Raises UsageError for shapes that do not fit."""
        y_true, y_pred = (tf.convert_to_tensor(values) for values in (y_true, y_pred))
        return super().__call__(y_true, y_pred, sample_weight=sample_weight)

    def call(self, y_true, y_pred):
        """The losses, unreduced. Keras masks what `_counts` says from the mean."""
        y_true, y_pred = (tf.convert_to_tensor(values) for values in (y_true, y_pred))
        options = serialization.arguments(self, OnLogits)
        options.pop("name", None)
        targets = self._targets(y_true, y_pred)
        losses = type(self).function(logits=y_pred, targets=targets, **options)
        counts = self._counts(targets)
        if counts is not None:
            losses._keras_mask = counts
        return losses

    def get_config(self):
        """What `__init__` takes."""
        return {**super().get_config(), **serialization.arguments(self, OnLogits)}

    def _targets(self, y_true, logits):
        """int32 ids of the logits' shape without K, or float32 of the logits' shape."""
        ids = _ids(y_true, logits, self.name)
        if ids is None:
            return tf.cast(y_true, tf.float32)
        return _checked(ids, logits.shape[-1], getattr(self, "ignore", None), self.name)

    def _counts(self, targets):
        """bool of the losses' shape, or None: all of them."""
        ignore = getattr(self, "ignore", None)
        return None if ignore is None or not targets.dtype.is_integer else targets != ignore


def _ids(y_true, logits, name):
    """y_true as int32 without the classes' axis; None where it has one."""
    rank, classes = logits.shape.rank, logits.shape[-1]
    if y_true.shape.rank == rank and y_true.shape[-1] == classes:
        return None
    if y_true.shape.rank == rank and y_true.shape[-1] == 1:
        y_true = tf.squeeze(y_true, axis=-1)
    if y_true.shape.rank != rank - 1:
        raise errors.UsageError(
            f"loss '{name}': y_true is {y_true.shape} and y_pred {logits.shape}; y_true must have"
            f" class ids of shape {logits.shape[:-1]}, or the shape of y_pred. y_true comes first"
        )
    return tf.cast(y_true, tf.int32)


def _checked(ids, classes, ignore, name):
    """ids, each of them a class or `ignore`; TensorFlow raises InvalidArgumentError otherwise."""
    known = (ids >= 0) & (ids < classes)
    if ignore is not None:
        known |= ids == ignore
    message = f"loss '{name}': y_true has a class id outside 0..{classes - 1}"
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(known), [message])]):
        return tf.identity(ids)


class _EachClass(OnLogits):
    """Base of losses of one sigmoid a class: ids become one-hot."""

    def _targets(self, y_true, logits):
        if logits.shape[-1] == 1:
            return tf.reshape(tf.cast(y_true, tf.float32), tf.shape(logits))
        ids = _ids(y_true, logits, self.name)
        if ids is None:
            return tf.cast(y_true, tf.float32)
        return tf.one_hot(_checked(ids, logits.shape[-1], None, self.name), logits.shape[-1])

    def _counts(self, targets):
        return None


class _OnMaps(OnLogits):
    """Base of losses on label maps: one-hot becomes ids, a pixel of no class void."""

    def _targets(self, y_true, logits):
        ids = _ids(y_true, logits, self.name)
        if ids is None:
            labelled = tf.reduce_any(y_true > 0, axis=-1)
            return tf.where(labelled, tf.argmax(y_true, axis=-1, output_type=tf.int32), self.void)
        return _checked(ids, logits.shape[-1], self.void, self.name)


class _OnPixels(_OnMaps):
    def _counts(self, targets):
        return targets != self.void


@register
class CrossEntropy(OnLogits):
    """Softmax cross-entropy, `losses.cross_entropy`; maps [B, H, W, K] go too."""

    function = staticmethod(classification_losses.cross_entropy)

    def __init__(
        self,
        *,
        label_smoothing=0.0,
        class_weights=(),
        ignore=None,
        name="cross_entropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.label_smoothing, self.class_weights = label_smoothing, tuple(class_weights)
        self.ignore = ignore


@register
class BinaryCrossEntropy(_EachClass):
    """Sigmoid cross-entropy, averaged over the classes, `losses.binary_cross_entropy`.

    ignore: a target (such as -1) whose term counts nowhere."""

    function = staticmethod(classification_losses.binary_cross_entropy)

    def __init__(
        self,
        *,
        label_smoothing=0.0,
        class_weights=(),
        ignore=None,
        name="binary_cross_entropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.label_smoothing, self.class_weights = label_smoothing, tuple(class_weights)
        self.ignore = ignore


@register
class Focal(_EachClass):
    """Sigmoid focal loss, summed over the classes, `losses.focal`."""

    function = staticmethod(classification_losses.focal)

    def __init__(self, *, alpha=0.25, gamma=2.0, name="focal", **kwargs):
        super().__init__(name=name, **kwargs)
        self.alpha, self.gamma = alpha, gamma


@register
class SoftmaxFocal(OnLogits):
    """Focal loss where one class excludes the others, `losses.softmax_focal`."""

    function = staticmethod(classification_losses.softmax_focal)

    def __init__(self, *, gamma=2.0, name="softmax_focal", **kwargs):
        super().__init__(name=name, **kwargs)
        self.gamma = gamma


@register
class MAE(OnLogits):
    """The mean of |p - t|, `losses.mae`. on: "softmax", "sigmoid" or "logits", here and below."""

    function = staticmethod(distances.mae)

    def __init__(self, *, on="softmax", name="mae", **kwargs):
        super().__init__(name=name, **kwargs)
        self.on = on


@register
class MSE(OnLogits):
    """The mean of (p - t)^2, `losses.mse`."""

    function = staticmethod(distances.mse)

    def __init__(self, *, on="softmax", name="mse", **kwargs):
        super().__init__(name=name, **kwargs)
        self.on = on


@register
class RMSE(OnLogits):
    """The root of each image's mean of (p - t)^2, `losses.rmse`."""

    function = staticmethod(distances.rmse)

    def __init__(self, *, on="softmax", name="rmse", **kwargs):
        super().__init__(name=name, **kwargs)
        self.on = on


@register
class SmoothL1(OnLogits):
    """`losses.smooth_l1` (Girshick 2015)."""

    function = staticmethod(distances.smooth_l1)

    def __init__(self, *, beta=1.0, on="softmax", name="smooth_l1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.beta, self.on = beta, on


@register
class Huber(OnLogits):
    """`losses.huber` (Huber 1964)."""

    function = staticmethod(distances.huber)

    def __init__(self, *, delta=1.0, on="softmax", name="huber", **kwargs):
        super().__init__(name=name, **kwargs)
        self.delta, self.on = delta, on


@register
class PixelCrossEntropy(_OnPixels):
    """Softmax cross-entropy of each labelled pixel, `losses.PIXELS["cross_entropy"]`."""

    function = staticmethod(segmentation_losses.pixel_cross_entropy)

    def __init__(self, *, label_smoothing=0.0, void=VOID, name="pixel_cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing, self.void = label_smoothing, void


@register
class PixelFocal(_OnPixels):
    """Focal loss of each labelled pixel, `losses.PIXELS["focal"]`."""

    function = staticmethod(segmentation_losses.pixel_focal)

    def __init__(self, *, gamma=2.0, void=VOID, name="pixel_focal", **kwargs):
        super().__init__(name=name, **kwargs)
        self.gamma, self.void = gamma, void


@register
class Dice(_OnMaps):
    """1 - 2 TP / (2 TP + FP + FN) of each image, `losses.dice`."""

    function = staticmethod(segmentation_losses.dice)

    def __init__(self, *, smooth=0.0, void=VOID, name="dice", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smooth, self.void = smooth, void


@register
class Jaccard(_OnMaps):
    """1 - intersection over union of each image, `losses.jaccard`."""

    function = staticmethod(segmentation_losses.jaccard)

    def __init__(self, *, smooth=0.0, void=VOID, name="jaccard", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smooth, self.void = smooth, void


@register
class Tversky(_OnMaps):
    """1 - TP / (TP + alpha FP + beta FN) of each image, `losses.tversky`."""

    function = staticmethod(segmentation_losses.tversky)

    def __init__(self, *, alpha=0.3, beta=0.7, smooth=0.0, void=VOID, name="tversky", **kwargs):
        super().__init__(name=name, **kwargs)
        self.alpha, self.beta, self.smooth, self.void = alpha, beta, smooth, void


@register
class Lovasz(_OnMaps):
    """Lovász-Softmax of each image, `losses.lovasz`."""

    function = staticmethod(segmentation_losses.lovasz)

    def __init__(self, *, void=VOID, name="lovasz", **kwargs):
        super().__init__(name=name, **kwargs)
        self.void = void
