"""A saved model against the answers of the model it was made from, in a process of its own.

    python -m tfvision.serving.check DIR SAMPLES.npz

SAMPLES.npz contains `sample/<i>`, the bytes of image i as uint8 [N]; `answer/<output>`, what the
training-side model says [B, ...]; `of_pixels/<output>`, what it says to the images' pixels; and
`tolerance` = rtol, atol. Prints one line of JSON a compared output and ends with 1 on the first
difference that is too large.

Axis letters: B samples, K classes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from tfvision import kinds

LEAST_IOU = 0.9  # of two boxes that are the same detection
SCORES_ATOL = 1e-3  # of theirs: a box's place moves by rounding, and its score with it
MASKS_ATOL = 1e-3  # of theirs, the mean over the cells, and what their boxes do not share on top
MAPS = ("class_map", "probabilities")  # [B, h, w, ...], padded to the largest of the batch


def compare(
    answers: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    *,
    rtol: float,
    atol: float,
    what: str,
) -> list[dict]:
    """One row a name of `expected`: {signature, output, shape, largest_difference}.

    Numbers must agree within atol + rtol * |expected|. Ids by rank may change places where
    their scores agree so far. Maps are compared without their padding; of a class map's pixels
    the share atol may be of another class. Detections are compared in pairs. Raises ValueError
    that names the output and the difference."""
    rows = []
    for name in expected:
        if name not in answers:
            raise ValueError(f"{what} has no output '{name}' (it has: {', '.join(answers)})")
    if kinds.BOXES in kinds.of(expected):
        return _compare_boxes(answers, expected, atol=atol, what=what)
    for name, expected_values in expected.items():
        actual = np.asarray(answers[name])
        if name in MAPS:
            actual, expected_values = _images(actual, expected), _images(expected_values, expected)
        if actual.shape != expected_values.shape:
            raise ValueError(
                f"{what}: '{name}' is {actual.shape}, expected {expected_values.shape}"
            )
        if name == "class_ids" and kinds.SCORES in kinds.of(expected):
            scores = expected["scores"]
            actual, expected_values = (
                np.take_along_axis(scores, ids, 1) for ids in (actual, expected_values)
            )
        if name == "class_map":
            actual, expected_values = np.mean(actual != expected_values, keepdims=True), np.zeros(1)
        actual, expected_values = actual.astype(np.float64), expected_values.astype(np.float64)
        difference = np.abs(actual - expected_values)
        allowed = atol + rtol * np.abs(expected_values)
        if not (difference <= allowed).all():  # NaN is not either
            raise ValueError(
                f"{what}: '{name}' differs by up to {difference.max():.3g}"
                f" (allowed: {atol:g} + {rtol:g} of the value)"
            )
        largest = float(difference.max()) if difference.size else 0.0
        rows.append(_row(what, name, answers, largest))
    return rows


def _row(what: str, name: str, answers: Mapping[str, np.ndarray], largest: float) -> dict:
    shape = list(np.shape(answers[name]))
    return {"signature": what, "output": name, "shape": shape, "largest_difference": largest}


def _compare_boxes(
    answers: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    *,
    atol: float,
    what: str,
) -> list[dict]:
    """Detections, paired by class and place: suppression may choose another of two equal boxes.

    Every detection whose score is more than the tolerance above the lowest one kept must have
    its partner, either way: of its class, overlapping it by at least LEAST_IOU, its score within
    the tolerance, SCORES_ATOL at least. Where there are masks, those of the two may differ by
    the tolerance, MASKS_ATOL at least, plus what is missing from the boxes' overlap: a mask
    moves with its box. The differences told are those of the scores and of the masks."""
    with_masks = kinds.MASKS in kinds.of(expected)
    names = ["boxes", "masks"] if with_masks else ["boxes"]
    largest = dict.fromkeys(names, 0.0)
    if with_masks:
        shapes = [np.shape(a["masks"])[2:] for a in (answers, expected)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{what}: 'masks' are {shapes[0]} each, expected {shapes[1]}")
    if "image_size" in expected and np.any(answers["image_size"] != expected["image_size"]):
        raise ValueError(f"{what}: 'image_size' differs")
    for row in range(len(expected["boxes"])):
        actual, expected_boxes = (_detections(a, row) for a in (answers, expected))
        floor = min((one["scores"] for one in (*actual, *expected_boxes)), default=0.0)
        for ones, others in ((expected_boxes, actual), (actual, expected_boxes)):
            for one in ones:
                where = f"{what}: in image {row}"
                differences = _differences(one, others, floor=floor, atol=atol, where=where)
                for name in names:
                    largest[name] = max(largest[name], differences.get(name, 0.0))
    return [_row(what, name, answers, float(value)) for name, value in largest.items()]


def _differences(
    one: dict, others: Sequence[dict], *, floor: float, atol: float, where: str
) -> dict[str, float]:
    """{"boxes": of the scores, "masks": of the masks} of a detection and its partner; {} where it
    needs none. Raises ValueError where there is none or a difference is too large."""
    tolerance = max(atol, SCORES_ATOL)
    kind = f"class {one['class_ids']}, score {one['scores']:.4f}"
    nearest = _nearest(one, others, tolerance)
    if nearest is None:
        if one["scores"] <= floor + tolerance:  # NaN is not
            return {}
        raise ValueError(
            f"{where} a box of {kind}, has no partner (allowed: {tolerance:g} of the score,"
            f" {LEAST_IOU:g} of the overlap)"
        )
    overlap, gap, change = nearest
    allowed = max(atol, MASKS_ATOL) + 1 - overlap
    if not change <= allowed:
        raise ValueError(
            f"{where} 'masks' of a box of {kind}, differs by {change:.3g} in the mean"
            f" (allowed: {allowed:.3g})"
        )
    return {"boxes": gap, "masks": change}


def _nearest(one: dict, others: Sequence[dict], tolerance: float) -> tuple | None:
    """(IoU of the boxes, difference of the scores, mean difference of the masks or 0) of the
    detection among `others` that is `one`: of those it may be, that with the nearest mask, then
    score. None where there is none."""
    near = []
    for other in others:
        gap = abs(one["scores"] - other["scores"])
        overlap = _iou(one["boxes"], other["boxes"])
        if one["class_ids"] == other["class_ids"] and overlap >= LEAST_IOU and gap <= tolerance:
            change = 0.0
            if "masks" in one:
                change = float(np.abs(one["masks"] - other["masks"]).mean())
            near.append((overlap, gap, change))
    # What is not a number is nearest to nothing.
    return min(near, key=lambda n: (np.nan_to_num(n[2], nan=np.inf), n[1]), default=None)


def _detections(answers: Mapping[str, np.ndarray], row: int) -> list[dict]:
    count = int(answers["num_detections"][row])
    names = [k for k in ("class_ids", "scores", "boxes", "masks") if k in answers]
    return [{name: answers[name][row][i] for name in names} for i in range(count)]


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0.0)
    common = float(np.prod(sides))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - common
    return common / union if union > 0 else 1.0


def _images(values: np.ndarray, expected: Mapping[str, np.ndarray]) -> np.ndarray:
    """The pixels of maps [B, h, w, ...] that belong to the images, one after the other."""
    sizes = expected["image_size"]
    blocks = [v[:h, :w].reshape(h * w, -1) for v, (h, w) in zip(values, sizes, strict=True)]
    return np.concatenate(blocks)


def run(folder: str, samples: str) -> list[dict]:
    """Loads the SavedModel in `folder` and compares every signature; returns the rows.

    Raises ValueError on the first mismatch."""
    import tensorflow as tf

    from tfvision import paths
    from tfvision.inputs import decode
    from tfvision.records import example
    from tfvision.serving import module

    with np.load(samples) as file:
        arrays = {key: file[key] for key in file.files}
    rtol, atol = arrays["tolerance"]
    expected, of_pixels = (
        {k.split("/", 1)[1]: v for k, v in arrays.items() if k.startswith(prefix)}
        for prefix in ("answer/", "of_pixels/")
    )
    count = sum(key.startswith("sample/") for key in arrays)
    images = [arrays[f"sample/{i}"].tobytes() for i in range(count)]
    with paths.plain(folder) as place:
        signatures = tf.saved_model.load(place).signatures
    limits = {"rtol": rtol, "atol": atol}

    def answers(name, **inputs):
        return {k: v.numpy() for k, v in signatures[name](**inputs).items()}

    # All sizes in one batch, then each alone, as a warm-up or a first request comes.
    outputs = answers(module.DEFAULT, image_bytes=tf.constant(images))
    rows = compare(outputs, expected, what=module.DEFAULT, **limits)
    for i, image in enumerate(images):
        one = {name: value[i : i + 1] for name, value in expected.items()}
        outputs = answers(module.DEFAULT, image_bytes=tf.constant([image]))
        compare(outputs, one, what=f"{module.DEFAULT}, sample {i} alone", **limits)
        pixels = decode.pixels({"encoded": tf.constant(image)})[tf.newaxis]
        outputs = answers(module.IMAGE, image=pixels)
        one = {name: value[i : i + 1] for name, value in of_pixels.items()}
        alone = compare(outputs, one, what=f"{module.IMAGE}, sample {i}", **limits)
        rows += [{**row, "signature": module.IMAGE} for row in alone] if i == 0 else []
    if module.CLASSIFY in signatures:
        records = [example.serialize({module.ENCODED_KEY: ("string", [i])}) for i in images]
        outputs = answers(module.CLASSIFY, inputs=tf.constant(records))
        expected_scores = {"scores": expected["scores"]}
        rows += compare(outputs, expected_scores, what=module.CLASSIFY, **limits)
    return rows


def main(argv: Sequence[str]) -> int:
    """The process: prints rows as JSON, the mismatch on the error stream."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        rows = run(argv[1], argv[2])
    except ValueError as error:
        print(f"mismatch: {error}", file=sys.stderr)
        return 1
    for row in rows:
        print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
