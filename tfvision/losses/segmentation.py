"""Overlap losses on label maps, one number an image, unreduced, float32.

All compare softmax probabilities with the truth class by class and take the mean over the
classes that the image's truth has: a class that is not there has no overlap to speak of. Void
pixels count nowhere; an image of void alone gives 0.

Axis letters: B images, H height, W width, K classes, P = H * W pixels.
"""

from __future__ import annotations

import tensorflow as tf

VOID = 255  # the label of pixels that count nowhere


def _flat(logits: tf.Tensor, labels: tf.Tensor, void: int) -> tuple[tf.Tensor, ...]:
    """Probabilities and truth, float32 [B, P, K], 0 at void pixels, and the valid [B, P, 1]."""
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    batch, classes = tf.shape(logits)[0], logits.shape[-1]
    labels = tf.reshape(tf.cast(labels, tf.int32), [batch, -1])
    valid = tf.cast(labels != void, tf.float32)[:, :, None]
    truth = tf.one_hot(tf.where(labels == void, -1, labels), classes)
    return tf.reshape(probabilities, [batch, -1, classes]) * valid, truth, valid


def _mean_of_present(losses: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """The mean of [B, K] over the classes with a pixel in truth [B, P, K]; 0 without any."""
    present = tf.cast(tf.reduce_any(truth > 0, axis=1), tf.float32)
    return tf.math.divide_no_nan(
        tf.reduce_sum(losses * present, axis=1), tf.reduce_sum(present, axis=1)
    )


def tversky(
    logits: tf.Tensor,
    labels: tf.Tensor,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 0.0,
    void: int = VOID,
) -> tf.Tensor:
    """1 - TP / (TP + alpha FP + beta FN) with soft counts (Salehi et al. 2017, arXiv:1706.05721).

    logits [B, H, W, K]; labels int [B, H, W]. alpha, beta: the paper's best; they weigh what
    is missed more than what is invented. smooth: added to both parts of the ratio.
    Returns [B], each in 0..1."""
    probabilities, truth, _ = _flat(logits, labels, void)
    hits = tf.reduce_sum(probabilities * truth, axis=1)
    invented = tf.reduce_sum(probabilities, axis=1) - hits
    missed = tf.reduce_sum(truth, axis=1) - hits
    index = tf.math.divide_no_nan(hits + smooth, hits + alpha * invented + beta * missed + smooth)
    return _mean_of_present(1.0 - index, truth)


def dice(
    logits: tf.Tensor, labels: tf.Tensor, *, smooth: float = 0.0, void: int = VOID
) -> tf.Tensor:
    """1 - 2 TP / (2 TP + FP + FN), Dice's coefficient with soft counts; arguments of `tversky`.

    (Milletari et al. 2016, arXiv:1606.04797, without its squares: Drozdzal et al. 2016,
    arXiv:1608.04117.) Returns [B]."""
    return tversky(logits, labels, alpha=0.5, beta=0.5, smooth=0.5 * smooth, void=void)


def jaccard(
    logits: tf.Tensor, labels: tf.Tensor, *, smooth: float = 0.0, void: int = VOID
) -> tf.Tensor:
    """1 - TP / (TP + FP + FN), intersection over union with soft counts. Returns [B].

    (Rahman & Wang 2016, "Optimizing Intersection-over-Union".) Arguments of `tversky`."""
    return tversky(logits, labels, alpha=1.0, beta=1.0, smooth=smooth, void=void)


def lovasz(logits: tf.Tensor, labels: tf.Tensor, *, void: int = VOID) -> tf.Tensor:
    """Lovász-Softmax (Berman et al. 2018, arXiv:1705.08790), image by image.

    The convex extension of 1 - IoU: it equals it where all probabilities are 0 or 1.
    logits [B, H, W, K]; labels int [B, H, W]. Returns [B]. Sorts P pixels for each class."""
    probabilities, truth, valid = _flat(logits, labels, void)
    # Void pixels have error 0: they come last and weigh nothing.
    wrong = tf.transpose(tf.abs(truth - probabilities) * valid, [0, 2, 1])
    order = tf.argsort(wrong, axis=-1, direction="DESCENDING", stable=True)
    wrong = tf.gather(wrong, order, batch_dims=2)
    foreground = tf.gather(tf.transpose(truth, [0, 2, 1]), order, batch_dims=2)
    total = tf.reduce_sum(foreground, axis=-1, keepdims=True)
    # 1 - IoU of each prefix of mispredicted pixels, and what each pixel adds to it (alg. 1).
    union = total + tf.cumsum(1.0 - foreground, axis=-1)
    lost = 1.0 - tf.math.divide_no_nan(total - tf.cumsum(foreground, axis=-1), union)
    steps = tf.concat([lost[..., :1], lost[..., 1:] - lost[..., :-1]], axis=-1)
    return _mean_of_present(tf.reduce_sum(wrong * tf.stop_gradient(steps), axis=-1), truth)
