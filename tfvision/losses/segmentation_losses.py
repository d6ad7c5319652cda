"""Losses on label maps, float32: one number per pixel, or the overlap, one number an image.

The former are 0 at void pixels; `pixel_weights` says how much each pixel counts. The latter
compare softmax probabilities with the truth class by class and take the mean over the
classes that the image's truth has: a class that is not there has no overlap to speak of. Void
pixels count nowhere; an image of void alone gives 0.

Axis letters: B images, H height, W width, K classes, P = H * W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfvision import errors
from tfvision.schema import VOID


def _flat(logits: tf.Tensor, labels: tf.Tensor, void: int) -> tuple[tf.Tensor, ...]:
    """Probabilities and truth, float32 [B, P, K], 0 at void pixels, and the valid [B, P, 1]."""
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    batch, classes = tf.shape(logits)[0], logits.shape[-1]
    labels = tf.reshape(tf.cast(labels, tf.int32), [batch, -1])
    valid = tf.cast(labels != void, tf.float32)[:, :, None]
    one_hot = tf.one_hot(tf.where(labels == void, -1, labels), classes)
    return tf.reshape(probabilities, [batch, -1, classes]) * valid, one_hot, valid


def _mean_of_present(losses: tf.Tensor, one_hot: tf.Tensor) -> tf.Tensor:
    """The mean of [B, K] over the classes with a pixel in truth [B, P, K]; 0 without any."""
    present = tf.cast(tf.reduce_any(one_hot > 0, axis=1), tf.float32)
    return tf.math.divide_no_nan(
        tf.reduce_sum(losses * present, axis=1), tf.reduce_sum(present, axis=1)
    )


def tversky(
    *,
    logits: tf.Tensor,
    targets: tf.Tensor,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 0.0,
    void: int = VOID,
) -> tf.Tensor:
    """1 - TP / (TP + alpha FP + beta FN) with soft counts (Salehi et al. 2017, arXiv:1706.05721).

    logits [B, H, W, K]; targets int [B, H, W]. alpha, beta: the paper's best; they weigh what
    is missed more than what is invented. smooth: added to both parts of the ratio.
    Returns [B], each in 0..1."""
    probabilities, one_hot, _ = _flat(logits, targets, void)
    hits = tf.reduce_sum(probabilities * one_hot, axis=1)
    invented = tf.reduce_sum(probabilities, axis=1) - hits
    missed = tf.reduce_sum(one_hot, axis=1) - hits
    index = tf.math.divide_no_nan(hits + smooth, hits + alpha * invented + beta * missed + smooth)
    return _mean_of_present(1.0 - index, one_hot)


def dice(
    *, logits: tf.Tensor, targets: tf.Tensor, smooth: float = 0.0, void: int = VOID
) -> tf.Tensor:
    """1 - 2 TP / (2 TP + FP + FN), Dice's coefficient with soft counts; arguments of `tversky`.

    (Milletari et al. 2016, arXiv:1606.04797, without its squares: Drozdzal et al. 2016,
    arXiv:1608.04117.) Returns [B]."""
    return tversky(
        logits=logits, targets=targets, alpha=0.5, beta=0.5, smooth=0.5 * smooth, void=void
    )


def jaccard(
    *, logits: tf.Tensor, targets: tf.Tensor, smooth: float = 0.0, void: int = VOID
) -> tf.Tensor:
    """1 - TP / (TP + FP + FN), intersection over union with soft counts. Returns [B].

    (Rahman & Wang 2016, "Optimizing Intersection-over-Union".) Arguments of `tversky`."""
    return tversky(logits=logits, targets=targets, alpha=1.0, beta=1.0, smooth=smooth, void=void)


def lovasz(*, logits: tf.Tensor, targets: tf.Tensor, void: int = VOID) -> tf.Tensor:
    """Lovász-Softmax (Berman et al. 2018, arXiv:1705.08790), image by image.

    The convex extension of 1 - IoU: it equals it where all probabilities are 0 or 1.
    logits [B, H, W, K]; targets int [B, H, W]. Returns [B]. Sorts P pixels for each class."""
    probabilities, one_hot, valid = _flat(logits, targets, void)
    # Void pixels have error 0: they come last and weigh nothing.
    wrong = tf.transpose(tf.abs(one_hot - probabilities) * valid, [0, 2, 1])
    order = tf.argsort(wrong, axis=-1, direction="DESCENDING", stable=True)
    wrong = tf.gather(wrong, order, batch_dims=2)
    foreground = tf.gather(tf.transpose(one_hot, [0, 2, 1]), order, batch_dims=2)
    total = tf.reduce_sum(foreground, axis=-1, keepdims=True)
    # 1 - IoU of each prefix of mispredicted pixels, and what each pixel adds to it (alg. 1).
    union = total + tf.cumsum(1.0 - foreground, axis=-1)
    lost = 1.0 - tf.math.divide_no_nan(total - tf.cumsum(foreground, axis=-1), union)
    steps = tf.concat([lost[..., :1], lost[..., 1:] - lost[..., :-1]], axis=-1)
    return _mean_of_present(tf.reduce_sum(wrong * tf.stop_gradient(steps), axis=-1), one_hot)


def pixel_cross_entropy(
    *, logits: tf.Tensor, targets: tf.Tensor, label_smoothing: float = 0.0, void: int = VOID
) -> tf.Tensor:
    """Softmax cross-entropy of each pixel. logits [B, H, W, K]; targets int [B, H, W], returned.

    label_smoothing: targets become (1 - s) * target + s / K (Szegedy et al. 2015,
    arXiv:1512.00567, section 7)."""
    valid = targets != void
    log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    ids = tf.where(valid, tf.cast(targets, tf.int32), 0)
    # one_hot and not gather: the gradient of a gather is a scatter, slow and in no fixed order
    log_p_of_label = tf.reduce_sum(log_p * tf.one_hot(ids, logits.shape[-1]), axis=-1)
    if label_smoothing:
        log_p_of_label = (
            1.0 - label_smoothing
        ) * log_p_of_label + label_smoothing * tf.reduce_mean(log_p, axis=-1)
    return tf.where(valid, -log_p_of_label, 0.0)


def pixel_focal(
    *, logits: tf.Tensor, targets: tf.Tensor, gamma: float = 2.0, void: int = VOID
) -> tf.Tensor:
    """-(1 - p)^gamma log p of each pixel's class (Lin et al. 2017, arXiv:1708.02002, eq. 4).

    logits [B, H, W, K]; targets int [B, H, W], returned. gamma=0 is the cross-entropy."""
    cross_entropy = pixel_cross_entropy(logits=logits, targets=targets, void=void)
    return (1.0 - tf.exp(-cross_entropy)) ** gamma * cross_entropy


def pixel_weights(
    values: tf.Tensor,
    labels: tf.Tensor,
    classes: int,
    *,
    class_weights: Sequence[float] = (),
    hardest: float = 1.0,
    void: int = VOID,
) -> tf.Tensor:
    """How much each pixel's loss counts in the mean: float32 [B, H, W], 0 at void pixels.

    values: the losses. class_weights: K factors, as torch weighs its mean. hardest: the share of
    the batch's labelled pixels that counts, those of the largest losses (Shrivastava et al. 2016,
    arXiv:1604.03540; 1 is all of them). Raises UsageError for values that make no sense."""
    if not 0.0 < hardest <= 1.0:
        raise errors.UsageError(f"hardest is {hardest}; it is a share of the pixels in (0, 1]")
    weights = tf.cast(labels != void, tf.float32)
    if hardest < 1.0:
        flat = tf.reshape(tf.stop_gradient(tf.where(labels != void, values, -1.0)), [-1])
        count = tf.cast(tf.math.ceil(hardest * tf.reduce_sum(weights)), tf.int32)
        ordered = tf.sort(flat, direction="DESCENDING")
        least = ordered[tf.maximum(count, 1) - 1]
        weights = tf.where(values >= least, weights, 0.0)
    if len(class_weights):
        if len(class_weights) != classes:
            raise errors.UsageError(
                f"class_weights has {len(class_weights)} values for {classes} classes"
            )
        ids = tf.where(labels == void, 0, tf.cast(labels, tf.int32))
        weights *= tf.gather(tf.constant(class_weights, tf.float32), ids)
    return weights
