"""Draws the pictures of these pages with the library's own functions, into docs/pictures.

.venv/bin/python docs/make_pictures.py [NAME ...] draws all, or those named.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pictures_of_training
import tensorflow as tf
from pages import FOLDER, INK, figure, save
from PIL import Image
from sklearn import datasets

from tfvision import errors, layers, losses, optimizers
from tfvision.inputs import augment, mixing
from tfvision.layers import activations
from tfvision.ops import draw

HEIGHT, WIDTH = 128, 192  # of the photo
# Arguments that a name needs, or that show it better than its defaults do.
OPTIONS = {
    "piecewise": {"boundaries": (0.3, 0.6, 0.85), "factors": (0.5, 0.2, 0.05)},
    "step": {"factor": 0.3, "parts": 4},
    "exponential": {"factor": 0.96},
    "affine": {"degrees": 20.0, "translate": 0.1, "scale": (0.7, 1.3), "shear": 10.0},
    "translate": {"pixels": 30},
    "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.6, "hue": 0.06},
    "cutout": {"size": 60},
    "sharpness": {"strength": 1.0},
}


def activation_curves() -> None:
    """Each function and its gradient."""
    names = activations.names()
    page, axes = figure(-(-len(names) // 5), 5, height=2.1)
    x = tf.reshape(tf.linspace(-4.0, 7.5, 461), [-1, 1])
    for axis, name in zip(axes, names, strict=False):
        layer = layers.Activation(name)
        # A softmax of one value says nothing: here against a second value of 0.
        pair = tf.concat([x, tf.zeros_like(x)], axis=1) if name == "softmax" else x
        with tf.GradientTape() as tape:
            tape.watch(pair)
            value = layer(pair)[:, :1]
        slope = tape.gradient(value, pair)[:, 0]
        axis.plot(x[:, 0], value[:, 0], color=INK[0], label="value")
        axis.plot(x[:, 0], slope, color=INK[1], linewidth=1, linestyle="--", label="gradient")
        axis.set_title(name, fontsize=9)
        axis.set(xlim=(-4, 7.5), ylim=(-2, 7))
    axes[0].legend(frameon=False, fontsize=7)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    save(page, "activations")


def schedule_curves() -> None:
    """Each schedule over 1,000 steps after 100 steps of warm-up to 0.1."""
    names = list(optimizers.schedules.SCHEDULES)
    page, axes = figure(2, 4, height=2.2)
    steps = np.arange(0, 1000, 4)
    for axis, name in zip(axes, [*names, "cosine"], strict=True):
        # one_cycle rises by itself and needs no warm-up
        warmup, options = 0 if name == "one_cycle" else 100, OPTIONS.get(name, {})
        for power, ink in zip((1.0, 4.0) if axis is axes[-1] else (1.0,), INK, strict=False):
            options = {**options, "warmup": warmup, "warmup_power": power}
            schedule = optimizers.schedules.Schedule(name, 0.1, 1000, **options)
            label = f"warmup_power={power:g}"
            axis.plot(steps, [float(schedule(s)) for s in steps], color=ink, label=label)
        axis.set_title(name, fontsize=9)
        axis.set_ylim(0, 0.105)
    axes[-1].set_title("linear and power warm-up", fontsize=9)
    axes[-1].legend(frameon=False, fontsize=7)
    axes[-1].set_xlim(0, 200)
    save(page, "schedules")


def loss_curves() -> None:
    """Losses of classification over the margin or the distance, of segmentation over a shift."""
    page, axes = figure(1, 4, height=3.2)
    z = tf.linspace(-4.0, 4.0, 161)
    pair = tf.stack([z, tf.zeros_like(z)], axis=1)  # the true class against one other
    first = tf.constant([[1.0, 0.0]])
    for name, ink in zip(("cross_entropy", "softmax_focal"), INK, strict=False):
        axes[0].plot(z, losses.LOSSES[name](logits=pair, targets=first), color=ink, label=name)
    smooth = losses.cross_entropy(logits=pair, targets=first, label_smoothing=0.1)
    axes[0].plot(z, smooth, color=INK[0], linestyle=":", label="label_smoothing 0.1")
    for name, ink in zip(("binary_cross_entropy", "focal"), INK[2:], strict=False):
        value = losses.LOSSES[name](logits=z[:, None], targets=tf.ones([161, 1]))
        axes[0].plot(z, value, color=ink, linestyle="--", label=name)
    axes[0].set(title="logarithmic", xlabel="logit of the truth, the other's is 0", ylim=(0, 4))
    three = tf.stack([z, tf.zeros_like(z), tf.zeros_like(z) - 1.0], axis=1)
    for name, ink in zip(losses.ON_PROBABILITIES, INK, strict=False):
        bend = {"smooth_l1": {"beta": 0.5}, "huber": {"delta": 0.5}}.get(name, {})
        style = {"color": ink, "label": " ".join([name, *(f"{k} {v}" for k, v in bend.items())])}
        loss = functools.partial(losses.LOSSES[name], **bend)
        axes[1].plot(z, loss(logits=three, targets=tf.zeros([161], tf.int32)), **style)
        axes[2].plot(z, loss(logits=z[:, None], targets=tf.zeros([161, 1]), on="logits"), **style)
    axes[1].set(title='distances, on="softmax"', xlabel="logit of the truth; others 0, -1")
    axes[2].set(title='distances, on="logits"', xlabel="output - target", ylim=(0, 4))
    radii = np.arange(4, 25)
    y, x = np.mgrid[:50, :50] - 24.5
    discs = (x**2 + y**2 < radii[:, None, None] ** 2).astype(np.int32)
    truth = tf.repeat(discs[radii == 12], len(radii), axis=0)
    logits = tf.one_hot(discs, 2) * 6.0
    for name, ink in zip(losses.SEGMENTATION, INK, strict=False):
        value = losses.LOSSES[name](logits=logits, targets=truth)
        style = ":" if name == "lovasz" else "-"
        axes[3].plot(radii, value, color=ink, linestyle=style, label=name)
    axes[3].set(title="truth: a disc of radius 12", xlabel="radius called")
    for axis in axes:
        axis.legend(frameon=False, fontsize=7)
        axis.title.set_fontsize(9)
    save(page, "losses")


def normalized_values() -> None:
    """A batch before and after, and the moving mean by momentum."""
    page, axes = figure(1, 3, height=3.0)
    rng = np.random.default_rng(0)
    x = rng.normal((-4.0, 1.0, 6.0), (0.5, 1.0, 2.0), (16, 8, 8, 3)).astype(np.float32)
    after = layers.BatchNormalization()(x, training=True).numpy()
    for axis, values, title in ((axes[0], x, "inputs of three channels"), (axes[1], after, "out")):
        for channel, ink in zip(range(3), INK, strict=False):
            axis.hist(values[..., channel].ravel(), 60, color=ink, alpha=0.6)
        axis.set_title(title, fontsize=9)
    axes[1].set_title("normalised: mean 0, variance 1", fontsize=9)
    kinds = ({"momentum": 0.9}, {"momentum": 0.97}, {"momentum": 0.99}, {"frozen": True})
    for ink, options in zip(INK, kinds, strict=False):
        layer, means = layers.BatchNormalization(**options), []
        for _ in range(150):
            layer(rng.normal(6.0, 2.0, (16, 2, 2, 1)).astype(np.float32), training=True)
            means.append(float(layer.moving_mean[0]))
        label = ", ".join(f"{k}={v}" for k, v in options.items())
        axes[2].plot(means, color=ink, label=label)
    axes[2].axhline(6.0, color="#94a3b8", linestyle="--", linewidth=1)
    axes[2].set(xlabel="step")
    axes[2].set_title("moving mean; dashed: the inputs'", fontsize=9)
    axes[2].legend(frameon=False, fontsize=8)
    save(page, "normalization")


def augmented_photos() -> None:
    """china.jpg, and what each name makes of it; mixes with flower.jpg."""
    photos = [Image.fromarray(datasets.load_sample_image(f"{n}.jpg")) for n in ("china", "flower")]
    photo, flower = (np.asarray(photo.resize((WIDTH, HEIGHT))) for photo in photos)
    seed = tf.constant([7, 7], tf.int64)
    cells = [cell(photo, "china.jpg")]
    for name, function in augment.WINDOWS.items():
        boxes = (tf.constant([[40.0, 60.0, 90.0, 130.0]]),) if name == "ssd_crop" else ()
        window = function(seed, *boxes, **options_of(name, function))(HEIGHT, WIDTH)
        y, x, height, width = window.numpy()
        cells.append(cell(photo[y : y + height, x : x + width], f"{name} (crop)"))
    for name, function in augment.AUGMENTATIONS.items():
        step = {"name": name, **options_of(name, function)}
        image = tf.constant(photo, tf.float32)
        cells.append(cell(augment.apply({"image": image}, seed, [step])["image"].numpy(), name))
    pair = {"image": tf.cast(tf.stack([photo, flower]), tf.float32), "labels": tf.constant([0, 1])}
    for name, options in (("mixup", {"alpha": 8.0}), ("cutmix", {"alpha": 4.0})):
        mixed = mixing.build({"name": name, **options}, 2)(pair, seed)
        cells.append(cell(mixed["image"][0].numpy(), f"{name} (mix)"))
    half = tf.image.resize(pair["image"], (HEIGHT * 5 // 8, WIDTH * 5 // 8), antialias=True)
    four = [{"image": half[number]} for number in (0, 1, 1, 0)]
    cells.append(cell(mixing.mosaic(four, seed, size=(HEIGHT, WIDTH))["image"].numpy(), "mosaic"))
    sheet = draw.sheet(cells, 7, cell=136)
    sheet.save(FOLDER / "augmentation.jpg", quality=85, optimize=True)


def options_of(name: str, function) -> dict:
    """What shows `name` well: always done, at the photo's size."""
    known = inspect.signature(function).parameters
    found = {"probability": 1.0} if "probability" in known else {}
    if "size" in known:
        found["size"] = (96, 144) if name == "random_crop" else (HEIGHT, WIDTH)
    return {**found, **OPTIONS.get(name, {})}


def cell(pixels: np.ndarray, text: str) -> Image.Image:
    """A picture in the middle of a canvas, with its name below."""
    picture = Image.fromarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))
    page = Image.new("RGB", (WIDTH, HEIGHT), draw.DARK)
    page.paste(picture, ((WIDTH - picture.width) // 2, (HEIGHT - picture.height) // 2))
    return draw.caption(page, text)


PICTURES = {
    "activations": activation_curves,
    "schedules": schedule_curves,
    "losses": loss_curves,
    "normalization": normalized_values,
    "augmentation": augmented_photos,
    "optimizers": pictures_of_training.optimizer_paths,
    "regularization": pictures_of_training.regularized_weights,
}


def main(names: list[str]) -> None:
    """Draws the pictures named, or all."""
    FOLDER.mkdir(exist_ok=True)
    for name in names or PICTURES:
        errors.choose(PICTURES, name, "picture")()
        print(f"{name}: drawn")


if __name__ == "__main__":
    main(sys.argv[1:])
