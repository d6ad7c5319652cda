"""Metrics as Keras's, for `model.compile`: those whose numbers add up batch by batch.

They give the numbers of `TopKReport`, `ClassReport`, `Calibration`, `MultiLabelReport` and
`SegmentationReport` on the same images, of label maps at the size of the predictions. Counts are
float64, so that billions of pixels are still counted one by one. Without images a result is NaN.

y_true: class ids, with or without a last axis of 1, or one-hot; ids below 0 and rows of zeros count
nowhere, and TensorFlow raises InvalidArgumentError for an id that is no class. y_pred: scores or
logits, [B, K] or [B, H, W, K]. All as tensors, arrays or lists. sample_weight: [B], or of the ids'
shape.

Axis letters: B images, H, W, K classes.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvision import errors, serialization
from tfvision.metrics.calibration import BINS
from tfvision.ops import class_ids
from tfvision.schema import VOID
from tfvision.serialization import register


class Counted(keras.metrics.Metric):
    """Base of all; the constructor's arguments are attributes of their names."""

    def _counter(self, name, shape=()):
        return self.add_weight(name=name, shape=shape, initializer="zeros", dtype="float64")

    def reset_state(self):
        """Forgets everything."""
        for variable in self.variables:
            variable.assign(tf.zeros(variable.shape, variable.dtype))

    def get_config(self):
        """What `__init__` takes."""
        return {**super().get_config(), **serialization.arguments(self, Counted)}


def _ids(y_true, y_pred, name, void=None):
    """int32 ids of y_pred's shape without K; -1 where there is nothing to count."""
    y_true, classes = tf.convert_to_tensor(y_true), y_pred.shape[-1]
    ids = class_ids.of_targets(y_true, y_pred.shape, f"metric '{name}'")
    if ids is None:
        return class_ids.best(y_true, -1)
    ids = tf.where(ids < 0 if void is None else (ids < 0) | (ids == void), -1, ids)
    message = f"metric '{name}': y_true has a class id above {classes - 1}"
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(ids < classes), [message])]):
        return tf.identity(ids)


def _weights(sample_weight, ids, classes):
    """float64 of the shape of ids: 0 where they are below 0, NaN where they are no class.

    The latter is for graphs that XLA compiles, which raise no errors."""
    counts = tf.where(ids < classes, tf.cast(ids >= 0, tf.float64), float("nan"))
    if sample_weight is None:
        return counts
    weights = tf.cast(sample_weight, tf.float64)
    if weights.shape.rank == ids.shape.rank + 1:  # Keras 2.15 gives [B, 1] for [B]
        weights = tf.squeeze(weights, axis=-1)
    for _ in range(ids.shape.rank - weights.shape.rank):
        weights = weights[..., None]
    return weights * counts


@register
class TopK(Counted):
    """Share of images whose label is among the k best scores; ties count against the model."""

    def __init__(self, k=5, *, name=None, **kwargs):
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise errors.UsageError(
                f"k of TopK is {k!r}; it must be a whole number from 1 on, and each k has its own"
                " metric: [TopK(1), TopK(5)]"
            )
        super().__init__(name=name or f"top{k}", **kwargs)
        self.k = k
        self.hits, self.images = self._counter("hits"), self._counter("images")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: y_pred [B, K]."""
        scores = tf.convert_to_tensor(y_pred)
        ids = _ids(y_true, scores, self.name)
        weights = _weights(sample_weight, ids, scores.shape[-1])
        label_scores = tf.reduce_sum(
            tf.where(tf.one_hot(ids, scores.shape[-1], True, False), scores, 0), axis=-1
        )
        # The rank that the label has at worst; NaN scores never count as a hit.
        worse = scores < label_scores[..., None]
        rank = tf.reduce_sum(tf.cast(~worse, tf.int32), axis=-1) - 1
        self.hits.assign_add(tf.reduce_sum(tf.cast(rank < self.k, tf.float64) * weights))
        self.images.assign_add(tf.reduce_sum(weights))

    def result(self):
        """In 0..1."""
        return tf.cast(self.hits / self.images, tf.float32)


@register
class ExactMatch(Counted):
    """Share of images with exactly the right set of labels; y_true multi-hot [B, K].

    from_logits: a label is called from a logit of 0 on, else from a score of 0.5 on."""

    def __init__(self, *, from_logits=True, name="exact_match", **kwargs):
        super().__init__(name=name, **kwargs)
        self.from_logits = bool(from_logits)
        self.hits, self.images = self._counter("hits"), self._counter("images")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: y_true, y_pred [B, K]."""
        predicted = tf.convert_to_tensor(y_pred) >= (0.0 if self.from_logits else 0.5)
        right = tf.reduce_all((tf.cast(y_true, tf.float32) > 0.5) == predicted, axis=-1)
        weights = _weights(sample_weight, tf.zeros_like(right, tf.int32), 1)
        self.hits.assign_add(tf.reduce_sum(tf.cast(right, tf.float64) * weights))
        self.images.assign_add(tf.reduce_sum(weights))

    def result(self):
        """In 0..1."""
        return tf.cast(self.hits / self.images, tf.float32)


@register
class CalibrationError(Counted):
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599, eq. 3); see `Calibration`.

    from_logits: y_pred [B, K] goes through softmax first."""

    def __init__(self, bins=BINS, *, from_logits=True, name="calibration_error", **kwargs):
        super().__init__(name=name, **kwargs)
        self.bins, self.from_logits = int(bins), bool(from_logits)
        self.gaps, self.images = self._counter("gaps", (self.bins,)), self._counter("images")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: y_pred [B, K]."""
        scores = tf.cast(y_pred, tf.float32)
        scores = tf.nn.softmax(scores) if self.from_logits else scores
        ids = _ids(y_true, scores, self.name)
        weights, best = (
            _weights(sample_weight, ids, scores.shape[-1]),
            tf.cast(tf.reduce_max(scores, -1), tf.float64),
        )
        right = tf.argmax(scores, axis=-1, output_type=tf.int32) == ids
        place = tf.where(tf.math.is_nan(best), 0, tf.math.ceil(best * self.bins) - 1)
        place = tf.cast(tf.clip_by_value(place, 0, self.bins - 1), tf.int32)
        gaps = (tf.cast(right, tf.float64) - best) * weights
        self.gaps.assign_add(tf.math.unsorted_segment_sum(gaps, place, self.bins))
        self.images.assign_add(tf.reduce_sum(weights))

    def result(self):
        """In 0..1, 0 is best."""
        gaps = tf.reduce_sum(tf.abs(tf.convert_to_tensor(self.gaps)))
        return tf.cast(gaps / self.images, tf.float32)


class _Confusion(Counted):
    """Base of what one confusion matrix gives: entry i, j counts what is of class i called j.

    void: an id that counts nowhere, or None. y_pred may be class ids too, integers of the ids'
    shape."""

    def __init__(self, num_classes, *, void=VOID, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes, self.void = int(num_classes), void
        self.confusion = self._counter("confusion", (self.num_classes,) * 2)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch."""
        y_pred, classes = tf.convert_to_tensor(y_pred), self.num_classes
        if y_pred.dtype.is_integer:
            y_pred = tf.one_hot(tf.cast(y_pred, tf.int32), classes)
        ids = _ids(y_true, y_pred, self.name, self.void)
        weights = _weights(sample_weight, ids, classes)
        place = tf.clip_by_value(ids, 0, classes - 1) * classes
        place += tf.argmax(y_pred, axis=-1, output_type=tf.int32)
        weights, place = (tf.reshape(values, [-1]) for values in (weights, place))
        counts = tf.math.unsorted_segment_sum(weights, place, classes**2)
        self.confusion.assign_add(tf.reshape(counts, [classes, classes]))

    def _counts(self):
        """hits, labels and predictions of each class, float64 [K]."""
        confusion = tf.convert_to_tensor(self.confusion)
        labels, predicted = (tf.reduce_sum(confusion, axis=axis) for axis in (1, 0))
        return tf.linalg.diag_part(confusion), labels, predicted

    def _mean(self, part, whole, among):
        """The mean of part / whole over the classes whose `among` is not 0; 0 / 0 counts as 0."""
        ratios = tf.math.divide_no_nan(part, whole)
        return tf.cast(tf.reduce_mean(tf.boolean_mask(ratios, among != 0)), tf.float32)


@register
class MeanIoU(_Confusion):
    """IoU averaged over the classes that are in labels or predictions."""

    def __init__(self, num_classes, *, void=VOID, name="miou", **kwargs):
        super().__init__(num_classes, void=void, name=name, **kwargs)

    def result(self):
        """In 0..1."""
        hits, labels, predicted = self._counts()
        union = labels + predicted - hits
        return self._mean(hits, union, union)


@register
class FrequencyWeightedIoU(_Confusion):
    """IoU of each class, weighted by its share of the labelled pixels."""

    def __init__(self, num_classes, *, void=VOID, name="fwiou", **kwargs):
        super().__init__(num_classes, void=void, name=name, **kwargs)

    def result(self):
        """In 0..1."""
        hits, labels, predicted = self._counts()
        iou = tf.math.divide_no_nan(hits, labels + predicted - hits)
        return tf.cast(tf.reduce_sum(labels * iou) / tf.reduce_sum(labels), tf.float32)


@register
class PixelAccuracy(_Confusion):
    """Share of the labelled pixels whose class is right."""

    def __init__(self, num_classes, *, void=VOID, name="pixel_accuracy", **kwargs):
        super().__init__(num_classes, void=void, name=name, **kwargs)

    def result(self):
        """In 0..1."""
        hits, labels, _ = self._counts()
        return tf.cast(tf.reduce_sum(hits) / tf.reduce_sum(labels), tf.float32)


@register
class MeanAccuracy(_Confusion):
    """The accuracy of each class's pixels, averaged over the classes in the labels."""

    def __init__(self, num_classes, *, void=VOID, name="mean_accuracy", **kwargs):
        super().__init__(num_classes, void=void, name=name, **kwargs)

    def result(self):
        """In 0..1."""
        hits, labels, _ = self._counts()
        return self._mean(hits, labels, labels)


@register
class MacroPrecision(_Confusion):
    """Precision averaged over the classes that are in labels or predictions."""

    def __init__(self, num_classes, *, void=None, name="macro_precision", **kwargs):
        super().__init__(num_classes, void=void, name=name, **kwargs)

    def result(self):
        """In 0..1."""
        hits, labels, predicted = self._counts()
        return self._mean(hits, predicted, labels + predicted)


@register
class MacroRecall(_Confusion):
    """Recall averaged over the classes that are in labels or predictions."""

    def __init__(self, num_classes, *, void=None, name="macro_recall", **kwargs):
        super().__init__(num_classes, void=void, name=name, **kwargs)

    def result(self):
        """In 0..1."""
        hits, labels, predicted = self._counts()
        return self._mean(hits, labels, labels + predicted)


@register
class MacroF1(_Confusion):
    """F1 averaged over the classes that are in labels or predictions."""

    def __init__(self, num_classes, *, void=None, name="macro_f1", **kwargs):
        super().__init__(num_classes, void=void, name=name, **kwargs)

    def result(self):
        """In 0..1."""
        hits, labels, predicted = self._counts()
        return self._mean(2 * hits, labels + predicted, labels + predicted)
