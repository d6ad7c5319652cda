"""The contract, for every task: record -> step -> checkpoint -> restore -> export -> reply."""

import base64
import functools
import io
import json
import os
import threading
import time
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import config as configs
from tfvision import serving, sources, stack, tasks, training
from tfvision.metrics import detection_metrics
from tfvision.records import dataset, listing, writer
from tfvision.serving import exporter, server

CASES = {
    "classification": {"head": "softmax"},
    "classification, several labels": {"head": "sigmoid"},
    "classification, auxiliary head": {
        "model": {"name": "inception_v3", "width": 4},
        "inputs": {"image_size": (76, 80), "resize": "letterbox"},
    },
    "classification, depthwise": {
        "model": {"name": "mobilenet_v2", "width": 8},
        "inputs": {"image_size": (24, 16), "resize": "letterbox"},
    },
    "classification, dense layers": {
        "model": {"name": "vgg16_bn", "width": 2, "hidden": 8},
        "inputs": {"image_size": (40, 33), "resize": "letterbox"},
    },
}
CASES |= {
    "segmentation": {
        "task": "segmentation",
        "model": {
            "name": "fc_densenet_small",
            "blocks": (1, 2, 1),
            "growth": 4,
            "width": 4,
            "eval_options": {"bn_image_statistics": True},
        },
        "inputs": {
            "image_size": (24, 32),
            "train_size": (16, 16),
            "resize": "letterbox",
            "augment": ({"name": "random_crop", "size": (16, 16)}, {"name": "horizontal_flip"}),
        },
    },
    "segmentation, auxiliary head, stride, scales": {
        "task": "segmentation",
        "probabilities": True,
        "model": {
            "name": "deeplab_v3_resnet18",
            "width": 4,
            "channels": 4,
            "auxiliary": True,
            "eval_options": {"output_stride": 8},
            "eval_scales": (1.0, 0.75),
            "eval_flip": True,
        },
        "inputs": {"image_size": (24, 32), "resize": "letterbox"},
        "loss": {"name": "cross_entropy", "hardest": 0.5, "class_weights": (1.0, 2.0)},
    },
}
YOLO = {
    "task": "detection",
    "inputs": {
        "image_size": (64, 96),
        "train_size": (64, 64),
        "resize": "letterbox",
        "augment": (
            {"name": "darknet_jitter", "size": (64, 64), "jitter": 0.2},
            {"name": "horizontal_flip"},
        ),
    },
    "detection": {"score_threshold": 0.02, "max_detections": 20},
    "metrics": ("coco", "voc2007"),
    "train": {"clip_norm": 10.0},
}
CASES |= {
    "detection, YOLO v3": {
        **YOLO,
        "model": {"name": "yolo_v3_small"},
        "loss": {"box_loss": "ciou"},
        "inputs": {**YOLO["inputs"], "mix": {"name": "mosaic"}, "multi_scale": (32, 64, 32)},
    },
    "detection, YOLO v2": {**YOLO, "model": {"name": "yolo_v2_small"}},
    "detection, YOLO v1": {
        **YOLO,
        "model": {"name": "yolo_v1_small"},
        "inputs": {"image_size": (64, 64), "resize": "stretch"},
        "detection": {**YOLO["detection"], "score_threshold": -1.0},
    },
}
RCNN = {
    "width": 4,
    "channels": 8,
    "hidden": 16,
    "anchor_sizes": ((12,), (24,), (48,), (64,), (90,)),
    "bn_frozen": False,
    "train_pre_nms": 60,
    "train_post_nms": 40,
    "anchor_samples": 32,
    "region_samples": 16,
    "pre_nms": 60,
    "post_nms": 30,
}
FLIPPED = {
    "image_size": (64, 96),
    "train_size": (64, 64),
    "resize": "short_side",
    "short": 50,
    "augment": ({"name": "horizontal_flip"},),
}
FOUND = {"score_threshold": 0.02, "max_detections": 10}
CASES |= {
    "detection, Faster R-CNN": {
        "task": "detection",
        "model": {"name": "faster_rcnn_resnet18_fpn", **RCNN, "pooling": "pool"},
        "inputs": FLIPPED,
        "detection": FOUND,
        "metrics": ("coco", "voc2010"),
        "loss": {"box_loss": "giou"},
    },
    "instance": {
        "task": "instance",
        "model": {"name": "mask_rcnn_resnet18_fpn", **RCNN, "mask_widths": (8,)},
        "inputs": FLIPPED,
        "detection": {**FOUND, "mask_size": 28},
        "metrics": ("coco", "voc2010"),
        "loss": {"beta": 0.0},
        "train": {"clip_norm": 10.0, "accumulate": 2},
    },
}
SLOW = (
    "detection, Faster R-CNN",
    "detection, YOLO v2",
    "detection, YOLO v1",
    "classification, auxiliary head",
    "classification, depthwise",
    "segmentation, auxiliary head, stride, scales",
)
# What a reply holds, by task
REPLIES = {
    "classification": {"scores", "class_ids", "class_names", "top_scores"},
    "segmentation": {"class_map", "image_size"},
    "detection": {"boxes", "scores", "class_ids", "class_names", "num_detections"},
}
REPLIES["instance"] = REPLIES["detection"] | {"masks", "image_size"}
SMALL = {
    "model": {"name": "resnet6", "width": 4, "stem": "small", "dropout": 0.2},
    "inputs": {"image_size": (24, 16), "resize": "letterbox"},
}


def write_pictures(folder, split, count):
    """Two classes; odd pictures are stored turned, with EXIF orientation 6."""
    rng = np.random.default_rng(len(split))
    for shade, name in ((60, "dark"), (190, "light")):
        place = folder / split / name
        place.mkdir(parents=True)
        for index in range(count):
            pixels = rng.normal(shade, 20, (20, 30, 3)).clip(0, 255).astype(np.uint8)
            pixels[:5, :5] = 255 - shade
            exif = Image.Exif()
            exif[0x0112] = 6 if index % 2 else 1
            Image.fromarray(pixels).save(place / f"{index}.jpg", quality=95, exif=exif)


def write_maps(folder, split, count):
    """Dark and light halves, the border void; odd pictures lie on their side, by EXIF."""
    rng = np.random.default_rng(len(split))
    for kind in ("images", "masks"):
        (folder / kind / split).mkdir(parents=True)
    for index in range(2 * count):
        edge = int(rng.integers(8, 24))
        truth = np.zeros((22, 32), np.uint8)
        truth[:, edge:] = 1
        pixels = rng.normal(np.where(truth, 190, 60)[..., None], 20, (22, 32, 3))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        exif = Image.Exif()
        if index % 2:
            image, exif[0x0112] = image.transpose(Image.Transpose.ROTATE_90), 6
        image.save(folder / "images" / split / f"{index}.jpg", quality=95, exif=exif)
        truth[:, edge - 1 : edge + 1] = 255
        Image.fromarray(truth).save(folder / "masks" / split / f"{index}.png")


def write_scenes(folder, split, count):
    """Squares and bars on grey; the first image has none, odd ones lie on their side by EXIF."""
    rng = np.random.default_rng(len(split))
    place = folder / "images" / split
    place.mkdir(parents=True)
    images, annotations = [], []
    for index in range(2 * count):
        pixels = rng.normal(110, 10, (48, 64, 3))
        entry = {"id": index, "file_name": f"{index}.jpg", "height": 48, "width": 64}
        images.append(entry)
        for number in range(min(index, 2)):
            kind = int(rng.integers(2))
            height, width = ((20, 20), (10, 30))[kind]
            y, x = int(rng.integers(48 - height)), int(rng.integers(64 - width))
            pixels[y : y + height, x : x + width] = (230, 20)[number]
            annotations.append(
                {"id": len(annotations), "image_id": index, "category_id": kind + 5, "iscrowd": 0,
                 "bbox": [x, y, width, height], "area": width * height,
                 "segmentation": [[x, y, x + width, y, x + width, y + height, x, y + height]]}
            )  # fmt: skip
        image, exif = Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), Image.Exif()
        if index % 2:
            image, exif[0x0112] = image.transpose(Image.Transpose.ROTATE_90), 6
        image.save(place / f"{index}.jpg", quality=95, exif=exif)
    names = [{"id": 5, "name": "square"}, {"id": 6, "name": "bar"}]
    content = {"images": images, "annotations": annotations, "categories": names}
    (folder / f"{split}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """A function: a task -> the folder of its small data set, made when first asked for."""

    @functools.cache
    def make(task):
        folder = tmp_path_factory.mktemp(task)
        for split, count in (("train", 6), ("val", 3)):
            if task == "classification":
                write_pictures(folder / "images", split, count)
                source = sources.FORMATS["folder"](str(folder / "images"), None, split=split)
            elif task in ("detection", "instance"):
                write_scenes(folder, split, count)
                source = sources.FORMATS["coco"](
                    str(folder / "images" / split), str(folder / f"{split}.json"), split=split
                )
            else:
                write_maps(folder, split, count)
                (folder / "labels.txt").write_text("dark\nlight\n")
                names = sources.read_labels(str(folder / "labels.txt"))
                source = sources.FORMATS["masks"](
                    str(folder / "images" / split), str(folder / "masks" / split),
                    split=split, labels=names,
                )  # fmt: skip
            writer.write(source, str(folder / "records"), writer.Options(split=split))
        return str(folder / "records")

    return make


def ask(model, images, count):
    """The predictions of a real server for encoded images, over HTTP."""
    import uvicorn

    listening = server.bind(port=0)
    running = uvicorn.Server(uvicorn.Config(server.Server(model, "m"), log_level="error"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the server ended at once"
        time.sleep(0.02)
    port = listening.getsockname()[1]
    try:
        body = {"instances": [{"b64": base64.b64encode(i).decode()} for i in images]}
        url = f"http://127.0.0.1:{port}/v1/models/m:predict"
        with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=120) as reply:
            answers = json.load(reply)["predictions"]
    finally:
        running.should_exit = True
        thread.join(30)
        listening.close()
    assert len(answers) == count
    return answers


@pytest.mark.addons
@pytest.mark.usefixtures("small_model", "shallow")
@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.slow] * (c in SLOW)) for c in CASES]
)
def test_what_is_served_is_what_was_evaluated(case, records, tmp_path, request):
    if case != "classification":  # which is checked as a user's is, in a process of its own
        request.getfixturevalue("checked_here")
    name = CASES[case].get("task", "classification")
    path = records(name)
    config = configs.config(
        data={"path": path},
        optimizer={"name": "lamb", "weight_decay": 0.01},
        schedule={"learning_rate": 0.01},
        **{
            **SMALL,
            **CASES[case],
            "train": {
                "batch_size": 4,
                "steps": 4,
                "ema": 0.9,
                "precision": "float32",
                "report_input": False,
                "eval_every": 4,
                **CASES[case].get("train", {}),
            },
        },
    )
    task = tasks.build(config)
    trainer = training.Trainer(task, config, str(tmp_path / "run"))
    used = type(trainer.optimizer).__module__
    assert used.startswith("tfvision" if stack.KERAS_3 else "tensorflow_addons")
    results = trainer.fit()

    again = training.Trainer(task, config, str(tmp_path / "run"))
    assert again.restore("latest")
    np.testing.assert_equal(again.evaluate(), results)  # where NaN is NaN

    # Evaluation's own predictions, image by image, with the averaged weights.
    data = dataset.read(path)
    raw = list(tf.data.TFRecordDataset(data.files("val")))
    parsed = [tf.train.Example.FromString(r.numpy()).features.feature for r in raw]
    images = [p["image/encoded"].bytes_list.value[0] for p in parsed]
    assert {Image.open(io.BytesIO(i)).getexif().get(0x0112, 1) for i in images} == {1, 6}
    with again.averaged():
        evaluated = exporter.answers(task, again.net, images)
        model = exporter.export(
            task,
            again.net,
            class_names=config.data.class_names,
            config_json=json.loads(configs.to_json(config)),
            metrics=results,
            output=str(tmp_path / "model"),
            samples=images[:3],
            category_ids=data.category_ids,
        )
    answers = ask(serving.load(model), images, len(images))
    for row, answer in enumerate(answers):
        assert set(answer) == REPLIES[name] | ({"probabilities"} & set(evaluated))
        same[name]({k: v[row] for k, v in evaluated.items()}, answer, config.data.class_names)
    if name in ("detection", "instance"):
        assert sum(answer["num_detections"] for answer in answers)
        assert not np.isnan(results["ap50"])
        rows = listing.rows(os.path.join(path, listing.file("records", "val")))
        listed = {int(row.image_id): row.file_name for row in rows}
        _, found = detection_metrics.writer(again.evaluator.metrics).as_coco()
        assert {(e["image_id"], e["file_name"]) for e in found} <= set(listed.items())
        assert len({entry["image_id"] for entry in found}) > 1
    if name == "instance":
        assert {"mask_ap50", "ap50", "mask_map", "map"} <= set(results)
        assert "loss" not in results
    if name == "segmentation":
        assert counted(answers, raw) == pytest.approx(results["pixel_accuracy"], abs=1e-9)


def same_labels(evaluated, answer, class_names):
    np.testing.assert_allclose(answer["scores"], evaluated["scores"], atol=1e-5)
    assert answer["class_names"] == [class_names[i] for i in answer["class_ids"]]
    # Names, ids and scores stand side by side, the best first.
    assert list(answer["top_scores"]) == sorted(answer["top_scores"], reverse=True)
    ranked = [answer["scores"][i] for i in answer["class_ids"]]
    np.testing.assert_allclose(answer["top_scores"], ranked, rtol=1e-6)


def same_maps(evaluated, answer, class_names):
    height, width = evaluated["image_size"]
    assert answer["image_size"] == [height, width]
    assert (height, width) in ((22, 32), (32, 22))
    found = np.array(answer["class_map"])
    np.testing.assert_array_equal(found, evaluated["class_map"])
    assert set(np.unique(found[:height, :width])) <= {0, 1}
    if "probabilities" in evaluated:
        shares = np.array(answer["probabilities"])
        np.testing.assert_allclose(shares, evaluated["probabilities"], atol=1e-5)
        np.testing.assert_allclose(shares[:height, :width].sum(axis=-1), 1.0, rtol=1e-5)


def same_boxes(evaluated, answer, class_names):
    count = answer["num_detections"]
    assert count == evaluated["num_detections"]
    for name, tolerance in (("boxes", 1e-2), ("scores", 1e-4), ("class_ids", 0)):
        np.testing.assert_allclose(answer[name], evaluated[name], atol=tolerance)
    names = [class_names[i] for i in answer["class_ids"][:count]]
    assert answer["class_names"] == names + [""] * (len(answer["scores"]) - count)
    boxes = np.array(answer["boxes"])[:count]
    assert (boxes >= 0).all()
    assert (boxes.max(axis=0, initial=0) <= 64).all()


def same_instances(evaluated, answer, class_names):
    same_boxes(evaluated, answer, class_names)
    assert answer["image_size"] in ([48, 64], [64, 48])
    found = np.array(answer["masks"])
    assert found.shape[1:] == (28, 28)
    np.testing.assert_allclose(found, evaluated["masks"], atol=1e-3)


same = {
    "classification": same_labels,
    "segmentation": same_maps,
    "detection": same_boxes,
    "instance": same_instances,
}


def counted(answers, records):
    """The pixel accuracy of served maps, by the records' own PNGs."""
    right = total = 0
    for answer, record in zip(answers, records, strict=True):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        png = features["image/segmentation/class/encoded"].bytes_list.value[0]
        truth = np.asarray(Image.open(io.BytesIO(png)))
        called = np.array(answer["class_map"])[: truth.shape[0], : truth.shape[1]]
        right += np.sum((truth == called) & (truth != 255))
        total += np.sum(truth != 255)
    return right / total
