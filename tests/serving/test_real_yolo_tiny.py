"""Real yolov3-tiny weights on real photos, through export and predict, against OpenCV's boxes."""

import json
import os
import pathlib

import numpy as np
import pytest
import verbs
from PIL import Image

from tfvision import serving

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("all_checked_here")]
NEAR = 1.5  # pixels
# Of the scores: the reference's own pixels, and the photos as they are. OpenCV resizes in whole
# numbers, cut off after 4 and 16 bits; ours are not rounded, which moves a score by up to 0.025.
CLOSE, CLOSE_FROM_PHOTOS, SHARE = 0.01, 0.03, 0.98
LEAST_IOU = 0.5
# Darknet's names of COCO's classes
RENAMED = {
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
}


@pytest.fixture(scope="module")
def exported(shared_data, tmp_path_factory, all_checked_here):
    """(model folder, the reference's detections by file, the photos)."""
    weights = shared_data.parent / "weights"
    folder = tmp_path_factory.mktemp("tiny")
    photos = shared_data / "coco128" / "images" / "val2017"
    darknet = weights / "yolov3_tiny_darknet"
    ours = folder / "tiny.safetensors"
    verbs.run(
        "import-weights", "--source=darknet", f"--checkpoint={darknet / 'yolov3-tiny.weights'}",
        f"--cfg={darknet / 'yolov3-tiny.cfg'}", f"--output={ours}",
    )  # fmt: skip
    # As the reference was made: stretched without smoothing, boxes from 0.3 on.
    verbs.run("export", "--config=coco_yolo_v3", "--config.model.name=darknet",
        f"--config.model.cfg={darknet / 'yolov3-tiny.cfg'}",
        f"--config.weights.path={ours}", "--config.inputs.resize=stretch",
        "--config.train.precision=float32", "--config.detection.score_threshold=0.29",
        f"--labels={darknet / 'coco.names'}", f"--output={folder / 'model'}", "--samples=4",
        *sorted(photos.iterdir())[:4])  # fmt: skip
    file = weights / "reference" / "yolov3_tiny_coco_val_detections.json"
    return folder / "model", json.loads(file.read_text())["detections"], photos


def iou(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = np.prod(np.maximum(high - low, 0))
    return common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)


def opencv_resize(image, side):
    """cv2.resize(image, (side, side)) of uint8 [H, W, 3], bit for bit (its INTER_LINEAR)."""

    def axis(length):
        at = (np.arange(side) + 0.5) * (length / side) - 0.5
        low = np.floor(at).astype(int)
        share = np.where((low < 0) | (low >= length - 1), 0, at - low).astype(np.float32)
        low = low.clip(0, length - 1)
        weights = [np.rint(w * 2048).astype(np.int64) for w in (1 - share, share)]
        return low, np.minimum(low + 1, length - 1), *weights

    low, high, first, second = axis(image.shape[1])
    wide = image.astype(np.int64)
    wide = wide[:, low] * first[:, None] + wide[:, high] * second[:, None]
    low, high, first, second = (v[:, None, None] if v.ndim and i > 1 else v
                                for i, v in enumerate(axis(image.shape[0])))  # fmt: skip
    tall = ((first * (wide[low] >> 4)) >> 16) + ((second * (wide[high] >> 4)) >> 16)
    return ((tall + 2) >> 2).clip(0, 255).astype(np.uint8)


def predicted(model, images, output):
    """{stem: (size, [(class, score, xyxy)])} of tfvision predict."""
    verbs.run("predict", f"--model={model}", f"--output={output}", images)
    answers = json.loads((output / "predictions.json").read_text())
    pictures = [name for name in os.listdir(output) if name.endswith(".png")]
    assert len(pictures) == len(answers) + 1  # the sheet too
    found = {}
    for answer in answers:
        count = answer["num_detections"]
        rows = zip(*(answer[k][:count] for k in ("class_names", "scores", "boxes")), strict=True)
        boxes = [(kind, score, np.array(box)[[1, 0, 3, 2]]) for kind, score, box in rows]
        found[pathlib.Path(answer["file"]).stem] = (answer["size"], boxes)
    return found


def agreeing(found, reference, close, photos):
    """(boxes of the reference that are found, all of them, boxes found beside them)."""
    same = total = extra = 0
    for name, wanted in reference.items():
        (height, width), boxes = found[pathlib.Path(name).stem]
        with Image.open(photos / name) as photo:
            scale = np.array([photo.width / width, photo.height / height] * 2)
            edges = np.array([photo.width, photo.height] * 2)
        for entry in wanted:
            box = np.clip(entry["box_xyxy"], 0, edges)
            same += any(
                kind == entry["class"]
                and abs(score - entry["score"]) <= close
                and np.abs(ours * scale - box).max() <= NEAR
                for kind, score, ours in boxes
            )
        total += len(wanted)
        extra += max(sum(score >= 0.3 + close for _, score, _ in best(boxes)) - len(wanted), 0)
    return same, total, extra


def test_predict_reproduces_opencvs_boxes(exported, tmp_path):
    model, reference, photos = exported
    found = predicted(model, photos, tmp_path / "photos")
    same, total, extra = agreeing(found, reference, CLOSE_FROM_PHOTOS, photos)
    assert total == 121
    assert same >= SHARE * total
    assert extra <= (1 - SHARE) * total


def test_from_opencvs_own_pixels_scores_and_hits_are_opencvs(exported, shared_data, tmp_path):
    model, reference, photos = exported
    (tmp_path / "resized").mkdir()
    for photo in photos.iterdir():
        with Image.open(photo) as image:
            pixels = opencv_resize(np.asarray(image.convert("RGB")), 416)
        Image.fromarray(pixels).save(tmp_path / "resized" / f"{photo.stem}.png")
    found = predicted(model, tmp_path / "resized", tmp_path / "out")
    same, total, extra = agreeing(found, reference, CLOSE, photos)
    assert same >= SHARE * total
    assert extra <= (1 - SHARE) * total
    truth, hits, boxes = ground_truth(shared_data), [0, 0], [0, 0]
    for name, wanted in reference.items():
        (height, width), ours = found[pathlib.Path(name).stem]
        with Image.open(photos / name) as photo:
            scale = np.array([photo.width / width, photo.height / height] * 2)
            edges = np.array([photo.width, photo.height] * 2)
        ours = [(kind, score, box * scale) for kind, score, box in best(ours) if score >= 0.3]
        # The reference's boxes reach beyond the image, ours are cut off there.
        theirs = [(d["class"], d["score"], np.clip(d["box_xyxy"], 0, edges)) for d in wanted]
        for who, called in enumerate((ours, theirs)):
            hits[who] += true_positives(called, truth[name])
            boxes[who] += len(called)
    assert hits[0] == hits[1] > 40
    assert boxes[0] == boxes[1]


def best(boxes):
    """A box's best class alone: the reference gives no second one, Darknet and we do."""
    kept = []
    for kind, score, box in sorted(boxes, key=lambda d: -d[1]):
        if not any(np.abs(box - other).max() < 1e-3 for _, _, other in kept):
            kept.append((kind, score, box))
    return kept


def true_positives(found, truth):
    left, hits = list(truth), 0
    for kind, _, box in sorted(found, key=lambda d: -d[1]):
        near = [(iou(box, b), i) for i, (k, b) in enumerate(left) if k == RENAMED.get(kind, kind)]
        if near and max(near)[0] >= LEAST_IOU:
            hits += 1
            left.pop(max(near)[1])
    return hits


def ground_truth(shared_data):
    """{file: [(class, xyxy)]}, crowds left out."""
    path = shared_data / "coco128" / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    names = {c["id"]: c["name"] for c in content["categories"]}
    files = {i["id"]: i["file_name"] for i in content["images"]}
    truth = {name: [] for name in files.values()}
    for entry in content["annotations"]:
        if not entry["iscrowd"]:
            x, y, w, h = entry["bbox"]
            box = np.array([x, y, x + w, y + h])
            truth[files[entry["image_id"]]].append((names[entry["category_id"]], box))
    return truth


def test_the_other_darknet_weights_detect_too(shared_data, tmp_path):
    weights = shared_data.parent / "weights"
    photos = sorted((shared_data / "coco128" / "images" / "val2017").iterdir())[:3]
    for name, cfg, file, labels in (
        ("yolo_fastest_darknet", "yolo-fastest-1.1.cfg", "yolo-fastest-1.1.weights", "coco.names"),
        ("mobilenetv2_yolov3_nano_darknet", "MobileNetV2-YOLOv3-Nano-voc.cfg",
         "MobileNetV2-YOLOv3-Nano-voc.weights", "voc.names"),
    ):  # fmt: skip
        folder, out = weights / name, tmp_path / name
        verbs.run("export", "--config=coco_yolo_v3", "--config.model.name=darknet",
            f"--config.model.cfg={folder / cfg}", f"--config.weights.path={folder / file}",
            "--config.weights.source=darknet", f"--labels={folder / labels}",
            "--config.inputs.image_size=(320, 320)", "--config.train.precision=float32",
            f"--output={out}", "--samples=3", *photos)  # fmt: skip
        found = serving.load(str(out)).predict([str(photo) for photo in photos])
        best = max((a["scores"][0], a["class_names"][0]) for a in found)
        assert best[0] > 0.5, (name, best)
