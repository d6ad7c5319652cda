"""tfvision predict: predictions for image files and folders, as JSON and as pictures.

tfvision predict --model=BASE --output=DIR IMAGE... writes DIR/predictions.json, one drawn PNG
an image (of a segmenter also its class map, a PNG of class ids) and sheet.png. A detector's lists
there have an element a detection, whatever its score; masks are COCO's run lengths at the image's
size. An image that cannot be read is listed with its error; the others are done all the same, and
the exit code is 1.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from absl import app, flags

from tfvision import errors, paths
from tfvision.tools import runs

_MODEL = flags.DEFINE_string("model", None, "BASE (its highest version) or BASE/N.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for predictions.json and the pictures.")
_SHEET = flags.DEFINE_integer("sheet", 24, "Pictures on sheet.png at most; 0: no sheet.")
_THRESHOLD = flags.DEFINE_float("threshold", 0.5, "Boxes of higher scores are drawn.")

_BATCH = 32
_STEM = 50  # letters of an image's name in its picture's: a file's name has 255 bytes


def main(argv: Sequence[str]) -> None:
    """Predicts. Raises UsageError, and DataError where an image could not be read."""
    for flag in (_MODEL, _OUTPUT):
        if not flag.value:
            raise errors.UsageError(f"--{flag.name} is missing")
    files = list(runs.image_files(argv[1:]))
    if not files:
        raise errors.UsageError("no images; name files or folders after the flags")
    paths.check_folder(_OUTPUT.value, "--output")
    from tfvision import serving

    model = serving.load(_MODEL.value)
    os.makedirs(_OUTPUT.value, exist_ok=True)
    results, shown = [], []
    for start in range(0, len(files), _BATCH):
        results += _batch(model, files[start : start + _BATCH], start, shown)
    _finish(results, shown)
    failed = [result for result in results if "error" in result]
    done = len(results) - len(failed)
    print(f"{done} images -> {os.path.join(_OUTPUT.value, 'predictions.json')}")
    if failed:
        raise errors.DataError(
            f"{len(failed)} of {len(results)} images could not be read: {failed[0]['error']}"
            f"{' (the others are in predictions.json)' if len(failed) > 1 else ''}"
        )


def _batch(model, files: Sequence[str], start: int, shown: list) -> list[dict]:
    """Predictions of a few files; adds to `shown` up to the sheet's size."""
    from tfvision.serving import client, pictures

    results, ready = [], []
    for file in files:
        result = {"file": file}
        try:
            ready.append((client.ready(file), result))
        except errors.DataError as error:
            result["error"] = str(error)
        results.append(result)
    several = model.card.get("config", {}).get("head") == "sigmoid"
    answers = model.predict([data for data, _ in ready]) if ready else []
    for (data, result), answer in zip(ready, answers, strict=True):
        image = pictures.open_upright(data, result["file"])
        drawn = pictures.draw_prediction(
            image, answer, model.class_names, several=several, threshold=_THRESHOLD.value
        )
        stem = os.path.splitext(os.path.basename(result["file"]))[0][:_STEM]
        name = f"{start + results.index(result):05d}-{stem}.png"
        drawn.save(os.path.join(_OUTPUT.value, name))
        result |= {"picture": name, "size": [image.height, image.width]}
        if "class_map" in answer:
            result |= _maps(name, answer, model.class_names)
        else:
            result |= client.plain(answer)
        if len(shown) < _SHEET.value:
            shown.append(drawn)
    return results


def _maps(name: str, answer: dict, class_names: Sequence[str]) -> dict:
    """Writes the class map beside the picture `name`, as an 8-bit PNG of class ids.

    Returns its name, and the share of the image's pixels of each class that it has."""
    import numpy as np
    from PIL import Image

    file = f"{os.path.splitext(name)[0]}.classes.png"
    Image.fromarray(answer["class_map"]).save(os.path.join(_OUTPUT.value, file))
    ids, counts = np.unique(answer["class_map"], return_counts=True)
    shares = (counts / counts.sum()).round(6).tolist()
    return {
        "class_map": file,
        "shares": {class_names[i]: s for i, s in zip(ids, shares, strict=True)},
    }


def _finish(results: list, shown: list) -> None:
    from tfvision.ops import draw

    path = os.path.join(_OUTPUT.value, "predictions.json")
    paths.write_text(path, json.dumps(results, indent=1))
    if shown:
        draw.sheet(shown).save(os.path.join(_OUTPUT.value, "sheet.png"))


if __name__ == "__main__":
    app.run(main)
