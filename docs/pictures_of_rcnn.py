"""Draws the pictures of docs/rcnn.md with the library's own functions, into docs/pictures.

    .venv/bin/python docs/pictures_of_rcnn.py demo/run demo/balloons/images/val/00003.jpg

The run is a Mask R-CNN's, such as `make demo` leaves one; the photo is any.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib
import numpy as np
import tensorflow as tf
from pages import FOLDER, INK, figure, save
from PIL import Image

from tfvision.ops import draw, images, roi
from tfvision.tools import runs

SIDE, STRIDE, BINS = 665, 32, 7  # the classic example: a dog of 665 pixels
CELLS = 25  # of the map's row


def quantisation() -> None:
    """Where the 7 bins of a region 665 pixels wide lie: ROI Pool against ROI Align."""
    ramp = np.arange(CELLS, dtype=np.float32)
    ramps = tf.constant(np.stack([ramp, -ramp, ramp], axis=-1)[None, None])  # [1, 1, CELLS, 3]
    region = tf.constant([[[0.0, 0.0, STRIDE, SIDE]]])
    pooled = roi.pool(ramps, region, size=(1, BINS), scale=1 / STRIDE)[0, 0, 0].numpy()
    # The maximum of a rising row is a bin's last cell, of a falling one its first.
    ours = [(-row[1] * STRIDE, (row[0] + 1) * STRIDE) for row in pooled]
    aligned = roi.align(ramps, region, size=(1, BINS), scale=1 / STRIDE, aligned=True)
    centers = (aligned[0, 0, 0, :, 0].numpy() + 0.5) * STRIDE
    width = SIDE / BINS
    exact = [(c - width / 2, c + width / 2) for c in centers]
    cells = SIDE // STRIDE  # 20.78 -> 20
    step = cells // BINS  # 2.86 -> 2
    classic = [(i * step * STRIDE, (i + 1) * step * STRIDE) for i in range(BINS)]
    rows = (
        (f"rounded down twice:\n20.78 -> {cells}, {cells / BINS:.2f} -> {step}", classic),
        ("ROI Pool\n(rounded, bins overlap)", ours),
        ("ROI Align", exact),
    )
    page, (axis,) = figure(1, 1, height=3.4)
    true = (np.arange(BINS) + 0.5) * width
    for row, (_, bins) in enumerate(rows):
        for number, (start, end) in enumerate(bins):
            level = -row + (0.11 if number % 2 else -0.11) * (row == 1)
            axis.barh(level, end - start, 0.5, left=start, color=INK[number], alpha=0.75)
        middles = np.array([(start + end) / 2 for start, end in bins])
        error = np.abs(middles - true)
        text = f"a bin's middle is off by\n{error.mean():.0f} px, at most {error.max():.0f}"
        axis.text(SIDE + 60, -row, text, va="center", fontsize=9)
    axis.vlines(np.arange(23) * STRIDE, -2.4, 0.4, color="#94a3b8", linewidth=0.6)
    axis.vlines([0, SIDE], -2.5, 0.5, color=INK[-1], linewidth=2)
    axis.set_yticks([0, -1, -2], [name for name, _ in rows], fontsize=9)
    axis.set(
        xlim=(-10, CELLS * STRIDE + 120), xlabel="pixels of the image; lines: cells of stride 32"
    )
    axis.grid(False)
    save(page, "roi_quantisation")


def stages(workdir: str, photo: str) -> None:
    """One photo through anchors, objectness, proposals, boxes and masks."""
    run = runs.open_run(workdir)
    net, task, names = run.trainer.net, run.trainer.task, run.config.data.class_names
    with open(photo, "rb") as file:
        sample = task.prepare_eval({"encoded": tf.constant(file.read())})
    batch = {key: sample[key][tf.newaxis] for key in ("image", "frame")}
    levels = ("p2", "p3", "p4", "p5", "p6")
    logits = [net.serve.get_layer(f"rpn_logits.{level}").output for level in levels]
    inner = keras.Model(
        net.serve.inputs, [net.serve.output, logits, net.serve.get_layer("anchors").output]
    )
    with run.trainer.averaged():
        outputs, logits, anchors = inner([batch[t.name] for t in net.serve.inputs])
    found = {k: v.numpy()[0] for k, v in task.predict(outputs, batch["frame"]).items()}
    logits = [level.numpy()[0] for level in logits]
    canvas = Image.fromarray(batch["image"][0].numpy().round().clip(0, 255).astype(np.uint8))
    scale = 480 / canvas.width
    picture = canvas.resize((480, round(canvas.height * scale)), Image.Resampling.LANCZOS)
    own = images.to_frame(tf.constant(found["boxes"]), batch["frame"][0]).numpy() * scale
    count = int((found["scores"] > draw.THRESHOLD).sum())
    inks = [draw.color(i) for i in range(count)]
    texts = [draw.name_of(int(i), names) for i in found["class_ids"][:count]]
    middle = (own[0, :2] + own[0, 2:]) / 2
    proposals = outputs["proposals"].numpy()[0][:40] * scale
    mask = draw.instances(picture, found["masks"][:count], own[:count], inks)
    panels = [
        (_anchors(picture, anchors, middle / scale, scale), "anchors of one place on each level"),
        (_objectness(picture, logits, canvas.size), "is an object here? (proposal network)"),
        (_boxes(picture, proposals), "the 40 best proposals"),
        (draw.boxes(picture, own[:count], texts, inks), "detections (box head, NMS)"),
        (_cells(picture, found["masks"][0], own[0]), "28 x 28 of the first one (mask head)"),
        (draw.boxes(mask, own[:count], texts, inks, strength=0.5), "pasted at the image's size"),
    ]
    page = draw.sheet([draw.caption(*panel) for panel in panels], 3, cell=400)
    page.save(FOLDER / "rcnn_stages.jpg", quality=75)


def _anchors(picture, anchors, place, scale):
    inks, chosen = [], []
    for level, boxes in enumerate(anchors):
        middles = (boxes[:, :2] + boxes[:, 2:]).numpy() / 2
        distance = np.abs(middles - place).max(axis=1)
        near = boxes.numpy()[np.argsort(distance, kind="stable")[:3]]
        chosen += list(near * scale)
        inks += [draw.color(level)] * len(near)
    return draw.boxes(picture, np.array(chosen), [""] * len(inks), inks, strength=0.6)


def _objectness(picture, logits, size):
    """The highest probability of any level and anchor at each pixel."""
    width, height = size
    best = np.zeros((picture.height, picture.width), np.float32)
    for level, values in enumerate(logits, 2):
        rows, columns = -(-height // 2**level), -(-width // 2**level)
        values = values.reshape(rows, columns, -1).max(axis=-1)
        heat = Image.fromarray(1 / (1 + np.exp(-values))).resize(
            picture.size, Image.Resampling.BILINEAR
        )
        best = np.maximum(best, np.asarray(heat))
    colors = matplotlib.colormaps["inferno"](best)[..., :3] * 255
    pixels = 0.35 * np.asarray(picture, np.float32) + 0.65 * colors
    return Image.fromarray(pixels.astype(np.uint8))


def _boxes(picture, boxes):
    inks = [draw.color(i) for i in range(len(boxes))]
    return draw.boxes(picture, boxes, [""] * len(boxes), inks, strength=0.5)


def _cells(picture, mask, box):
    """The mask's own cells, laid over the picture."""
    y1, x1, y2, x2 = (round(float(v)) for v in box)
    values = Image.fromarray(mask).resize(
        (max(x2 - x1, 1), max(y2 - y1, 1)), Image.Resampling.NEAREST
    )
    page = np.asarray(picture, np.float32) * 0.45
    part = page[max(y1, 0) : y2, max(x1, 0) : x2]
    grey = np.asarray(values)[max(-y1, 0) :, max(-x1, 0) :][: part.shape[0], : part.shape[1], None]
    part += (np.array(draw.color(0)) - part) * grey
    return Image.fromarray(page.astype(np.uint8))


if __name__ == "__main__":
    quantisation()
    if len(sys.argv) > 2:
        stages(*sys.argv[1:3])
