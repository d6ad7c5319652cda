"""scikit-learn's digits (UCI, Alpaydin and Kaynak 1998): real handwriting as class folders."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image as pillow

from tfvision import errors
from tfvision.synthetic import output as outputs

_TOTAL = 1797
_TRAIN, _VAL = 1437, 360  # four fifths and one


def write(output: str, *, train: int | None = None, val: int | None = None, seed: int = 0) -> None:
    """Writes train/<digit>/*.png and val/<digit>/*.png, grey 8 x 8 pixels, stratified by digit.

    train, val: numbers of images, together at most 1797; four fifths and one by default. The
    seed decides which image is in which. Raises UsageError and DataError."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    train = _TRAIN if train is None else train
    val = _VAL if val is None else val
    if min(train, val) < 10 or train + val > _TOTAL:
        raise errors.UsageError(
            f"train is {train} and val is {val}; each must be at least 10, together {_TOTAL}"
        )
    digits = load_digits()
    pixels = np.round(digits.images * (255.0 / 16.0)).astype(np.uint8)
    parts = train_test_split(
        np.arange(_TOTAL),
        train_size=train,
        test_size=val,
        stratify=digits.target,
        random_state=seed,
    )
    made_by = {"generator": "digits", "train": train, "val": val, "seed": seed}
    with outputs.folder(output, made_by) as folder:
        for split, indices in zip(("train", "val"), parts, strict=True):
            for index in sorted(indices):
                place = os.path.join(folder, split, str(digits.target[index]))
                os.makedirs(place, exist_ok=True)
                pillow.fromarray(pixels[index]).save(os.path.join(place, f"{index:04d}.png"))
