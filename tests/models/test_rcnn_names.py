"""R-CNN by name: nets, the errors of their options, and tasks around them."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import architectures, errors, sources, tasks, training
from tfvision import config as configs
from tfvision.architectures import rcnn
from tfvision.records import writer
from tfvision.serving import exporter

SMALL = {
    "width": 4,
    "bn_frozen": False,
    "region_samples": 8,
}
PYRAMID = {"channels": 8, "hidden": 16}
PROPOSING = {"train_pre_nms": 20, "train_post_nms": 10, "pre_nms": 20, "post_nms": 10}


def build(name, **options):
    return architectures.build(name, num_classes=2, image_size=(64, 96), **SMALL, **options)


def test_every_family_has_a_net_of_every_backbone():
    assert set(rcnn.RCNN) <= set(architectures.names())
    for name in (
        *("fast_rcnn_resnet50_fpn", "faster_rcnn_resnet50_fpn", "faster_rcnn_resnet101_fpn"),
        *("mask_rcnn_resnet50_fpn", "mask_rcnn_resnet101_fpn", "mask_rcnn_resnet18_fpn"),
        *("faster_rcnn_resnet50_c4", "faster_rcnn_mobilenet_v2_fpn"),
    ):
        assert name in rcnn.RCNN


@pytest.mark.addons
def test_training_and_serving_share_their_weights_and_take_their_options():
    net = build("mask_rcnn_mobilenet_v2_fpn", mask_widths=(8,), **PYRAMID, **PROPOSING)
    assert set(net.train.input) == {"image", "frame", "boxes", "class_ids", "masks"}
    assert set(net.serve.input) == {"image", "frame"}
    assert net.serve.output["proposals"].shape == (None, 10, 4)
    assert net.train.output["rois"].shape == (None, 8, 4)
    assert {id(v) for v in net.serve.variables} == {id(v) for v in net.train.variables}
    other = build("faster_rcnn_resnet18_c4", max_detections=7, **PROPOSING)
    assert other.serve.output["boxes"].shape == (None, 7, 4)
    given = build("fast_rcnn_resnet18_fpn", **PYRAMID)
    assert set(given.serve.input) == {"image", "frame", "proposals", "num_proposals"}


def test_options_are_checked_before_anything_is_built():
    with pytest.raises(errors.UsageError, match="no option 'chanels'; did you mean 'channels'"):
        build("mask_rcnn_resnet18_fpn", chanels=8)
    with pytest.raises(errors.UsageError, match="no option 'output_stride'"):
        build("mask_rcnn_resnet18_fpn", output_stride=16)
    with pytest.raises(errors.UsageError, match="no option 'anchor_samples'"):
        build("fast_rcnn_resnet18_fpn", anchor_samples=8)
    with pytest.raises(errors.UsageError, match="multiples of 32, such as 64 x 128"):
        architectures.build("mask_rcnn_resnet18_fpn", num_classes=1, image_size=(64, 100))


def settings(path="", task="detection", name="faster_rcnn_resnet18_fpn", **changes):
    model = {"name": name, **SMALL, **PYRAMID}
    model |= {} if name.startswith("fast_") else PROPOSING
    section = {"score_threshold": 0.02, "max_detections": 5, "max_boxes": 4}
    given = {
        "data": {"path": path} if path else {"class_names": ("a", "b")},
        "inputs": {"image_size": (64, 96), "resize": "letterbox"},
        **changes,
    }
    return configs.config(task=task, model=model, detection=section, **given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "instance"}, "'faster_rcnn_resnet18_fpn' is for task 'detection', not"),
        ({"name": "mask_rcnn_resnet18_fpn"}, "is for task 'instance', not 'detection'"),
        (
            {
                "task": "instance",
                "name": "mask_rcnn_resnet18_fpn",
                "inputs": {"image_size": (64, 64), "resize": "center_crop"},
            },
            "task 'instance' takes one of: stretch, letterbox, short_side",
        ),
        (
            {
                "task": "instance",
                "name": "mask_rcnn_resnet18_fpn",
                "inputs": {
                    "image_size": (64, 64),
                    "resize": "stretch",
                    "mix": {"name": "mosaic"},
                },
            },
            "it is for the task classification and detection and not for 'instance'",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(changes, message):
    with pytest.raises(errors.UsageError, match=message):
        tasks.build(settings(**changes))


def test_limits_belong_to_the_section_of_detection():
    config = settings()
    config.model.nms_iou = 0.3
    with pytest.raises(errors.UsageError, match="belongs to config"):
        tasks.build(config)
    config = settings()
    config.detection.soft_nms = "linear"
    with pytest.raises(errors.UsageError, match="has no soft NMS"):
        tasks.build(config)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A function: proposals ("" or a mode) -> records of two pictures with a bright square."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for index in range(2):
        pixels = rng.normal(100, 8, (64, 96, 3))
        y, x = (int(v) for v in rng.integers(0, 32, 2))
        pixels[y : y + 24, x : x + 24] = 250
        name = f"{index}.png"
        keras.utils.save_img(str(folder / name), pixels.clip(0, 255), scale=False)
        images.append({"id": index, "file_name": name, "height": 64, "width": 96})
        box = {"bbox": [x, y, 24, 24], "area": 576, "iscrowd": 0}
        annotations.append({"id": index, "image_id": index, "category_id": 1 + index % 2, **box})
    names = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    content = {"images": images, "annotations": annotations, "categories": names}
    (folder / "truth.json").write_text(json.dumps(content))

    def make(proposals):
        output = folder / f"records{proposals}"
        for split in ("train", "val"):
            source = sources.FORMATS["coco"](str(folder), str(folder / "truth.json"), split=split)
            options = writer.Options(split=split, proposals=proposals, max_proposals=50)
            writer.write(source, str(output), options)
        return str(output)

    return make


def test_fast_rcnn_wants_proposals_in_its_records(photos):
    config = settings(photos(""), name="fast_rcnn_resnet18_fpn")
    with pytest.raises(errors.DataError, match="has no proposals, which fast_rcnn_resnet18_fpn"):
        tasks.build(config)


@pytest.mark.usefixtures("shallow")
def test_fast_rcnn_learns_from_the_records_proposals_and_is_not_exported(photos, tmp_path):
    pytest.importorskip("cv2")
    path = photos("fast")
    config = settings(
        path,
        name="fast_rcnn_resnet18_fpn",
        train={
            "batch_size": 2,
            "steps": 4,
            "precision": "float32",
            "eval_every": 4,
            "report_input": False,
        },
    )
    task = tasks.build(config)
    trainer = training.Trainer(task, config, str(tmp_path / "run"))
    found = trainer.fit()
    assert {"ap", "ap50"} <= set(found)
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    entry = next(row for row in log if "class" in row)
    assert {"class", "box"} <= set(entry)
    assert "rpn_class" not in entry
    with pytest.raises(errors.UsageError, match="looks at num_proposals, proposals beside"):
        exporter.export(
            task,
            trainer.net,
            class_names=("a", "b"),
            config_json={},
            metrics={},
            output=str(tmp_path / "model"),
            samples=[tf.io.encode_png(np.zeros((8, 8, 3), np.uint8)).numpy()],
        )
    assert not (tmp_path / "model").exists()
