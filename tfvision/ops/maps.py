"""Class logits of a canvas -> class maps of the original images.

Axis letters: B batch, H, W of the canvas, h, w of the original images, K classes.
"""

from __future__ import annotations

import tensorflow as tf

from tfvision.schema import VOID


def original(
    logits: tf.Tensor, frame: tf.Tensor, *, probabilities: bool = False
) -> dict[str, tf.Tensor]:
    """logits float32 [B, H, W, K] and frame [B, 6] -> the maps in the original images' pixels.

    The image's part of the canvas is bilinearly resized to the original size, then the largest
    class counts. Returns class_map uint8 [B, h, w], h and w the largest in the batch and VOID
    beside a smaller image; image_size int32 [B, 2]; with `probabilities` also float32
    [B, h, w, K], 0 beside it."""
    sizes = tf.cast(tf.round(frame[:, :2]), tf.int32)
    largest = tf.reduce_max(sizes, axis=0)

    def one(pair):
        image, frame = pair
        upright = _upright(image, frame)
        room = largest - tf.shape(upright)[:2]
        edges = tf.stack([tf.zeros_like(room), room], axis=1)
        classes = tf.cast(tf.argmax(upright, axis=-1, output_type=tf.int32), tf.uint8)
        result = {"class_map": tf.pad(classes, edges, constant_values=VOID)}
        if probabilities:
            edges = tf.concat([edges, [[0, 0]]], axis=0)
            result["probabilities"] = tf.pad(tf.nn.softmax(upright), edges)
        return result

    shape = (None, None)
    spec = {"class_map": tf.TensorSpec(shape, tf.uint8)}
    if probabilities:
        spec["probabilities"] = tf.TensorSpec((*shape, logits.shape[-1]), tf.float32)
    resized = tf.map_fn(one, (logits, frame), fn_output_signature=spec)
    return {**resized, "image_size": sizes}


def _upright(image: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
    """[H, W, K] of a canvas -> [h, w, K] of the original image, bilinearly."""
    size = tf.cast(tf.round(frame[:2]), tf.int32)
    least = tf.maximum(size, 1)  # what fills a batch up has no size at all
    canvas = tf.shape(image)[:2]
    # The whole pixels of the canvas that the image lies on; a center crop has cut some off.
    scaled = tf.cast(tf.round(frame[:2] * frame[2:4]), tf.int32)
    offset = tf.cast(tf.round(frame[4:6]), tf.int32)
    start = tf.clip_by_value(offset, 0, canvas - 1)
    end = tf.clip_by_value(offset + scaled, start + 1, canvas)
    part = image[start[0] : end[0], start[1] : end[1]]
    same = tf.reduce_all(tf.equal(tf.shape(part)[:2], least))
    resized = tf.cond(same, lambda: part, lambda: tf.image.resize(part, least))
    return resized[: size[0], : size[1]]
