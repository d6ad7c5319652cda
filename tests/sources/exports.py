"""One tiny data set written in the formats of several tools, spelt as a test wants it.

Every image is 40 x 20 pixels; a box is (class, x1, y1, x2, y2) in pixels.
"""

import csv
import json
import os

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 40, 20
CLASSES = ("cat", "dog")
BOXES = {"a.png": [("cat", 4, 2, 24, 12)], "b.png": [("dog", 10, 5, 30, 15)]}
# The formats that name images in their annotations, and those whose files carry the names.
NAMING = ("coco", "csv", "via", "voc", "labelme", "label_studio")
FORMATS = (*NAMING, "yolo")


def picture(path, seed=0, kind="png", **options):
    """Writes an image of noise."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).save(path, kind, **options)


def write(kind, root, boxes=BOXES, *, spelt=lambda name: name, images=True, size=None):
    """Writes images and annotations below `root`; returns (--images, --annotations).

    spelt: how the annotations spell a file name. size: (width, height) that they record."""
    for seed, name in enumerate(boxes if images else ()):
        picture(root / "images" / name, seed)
    size = size or (WIDTH, HEIGHT)
    place = _WRITERS[kind](root, boxes, size, spelt)
    return str(root / "images"), str(place)


def _coco(root, boxes, size, spelt):
    entries = [
        {"id": i, "file_name": spelt(name), "width": size[0], "height": size[1]}
        for i, name in enumerate(boxes)
    ]
    annotations = [
        {"image_id": i, "category_id": CLASSES.index(c) + 1, "bbox": [x, y, x2 - x, y2 - y]}
        for i, found in enumerate(boxes.values())
        for c, x, y, x2, y2 in found
    ]
    for i, annotation in enumerate(annotations):
        annotation["id"] = i
    content = {
        "images": entries,
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)],
    }
    (root / "coco.json").write_text(json.dumps(content))
    return root / "coco.json"


def _csv(root, boxes, size, spelt):
    with open(root / "table.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"])
        for name, found in boxes.items():
            writer.writerows([spelt(name), *size, c, *edges] for c, *edges in found)
    return root / "table.csv"


def _via(root, boxes, size, spelt):
    content = {}
    for name, found in boxes.items():
        regions = [
            {
                "shape_attributes": {"name": "rect", "x": x, "y": y, "width": x2 - x,
                                     "height": y2 - y},
                "region_attributes": {"class": c},
            }
            for c, x, y, x2, y2 in found
        ]  # fmt: skip
        content[name] = {"filename": spelt(name), "size": -1, "regions": regions}
    (root / "via.json").write_text(json.dumps(content))
    return root / "via.json"


def _voc(root, boxes, size, spelt):
    for name, found in boxes.items():
        path = (root / "Annotations" / name).with_suffix(".xml")
        objects = "".join(
            f"<object><name>{c}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
            f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for c, x, y, x2, y2 in found
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"<annotation><filename>{spelt(name)}</filename><size><width>{size[0]}</width>"
            f"<height>{size[1]}</height></size>{objects}</annotation>"
        )
    return root / "Annotations"


def _labelme(root, boxes, size, spelt):
    for name, found in boxes.items():
        path = (root / "jsons" / name).with_suffix(".json")
        shapes = [
            {"label": c, "points": [[x, y], [x2, y2]], "shape_type": "rectangle"}
            for c, x, y, x2, y2 in found
        ]
        content = {"shapes": shapes, "imagePath": spelt(name), "imageData": None}
        content |= {"imageWidth": size[0], "imageHeight": size[1], "version": "5.0.1"}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return root / "jsons"


def _label_studio(root, boxes, size, spelt):
    tasks = []
    for i, (name, found) in enumerate(boxes.items()):
        results = [
            {
                "id": f"r{n}", "type": "rectanglelabels", "from_name": "label",
                "to_name": "image", "original_width": size[0], "original_height": size[1],
                "image_rotation": 0,
                "value": {"x": 100 * x / size[0], "y": 100 * y / size[1],
                          "width": 100 * (x2 - x) / size[0], "height": 100 * (y2 - y) / size[1],
                          "rotation": 0, "rectanglelabels": [c]},
            }
            for n, (c, x, y, x2, y2) in enumerate(found)
        ]  # fmt: skip
        tasks.append(
            {"id": i, "data": {"image": spelt(name)}, "annotations": [{"result": results}]}
        )
    (root / "tasks.json").write_text(json.dumps(tasks))
    return root / "tasks.json"


def _yolo(root, boxes, size, spelt):
    for name, found in boxes.items():
        lines = [
            f"{CLASSES.index(c)} {(x + x2) / 2 / WIDTH} {(y + y2) / 2 / HEIGHT}"
            f" {(x2 - x) / WIDTH} {(y2 - y) / HEIGHT}\n"
            for c, x, y, x2, y2 in found
        ]
        path = (root / "labels" / name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(CLASSES))
    (root / "data.yaml").write_text(f"train: images\nnames:\n{names}")
    return root / "data.yaml"


_WRITERS = {
    "coco": _coco,
    "csv": _csv,
    "via": _via,
    "voc": _voc,
    "labelme": _labelme,
    "label_studio": _label_studio,
    "yolo": _yolo,
}
