"""Faster R-CNN with a narrow ResNet-18, from fresh weights, on 130 photos of blood cells.

    tfvision convert --format=voc --images=DIR --split=train --output=data/bccd   (and for val)
    tfvision train --config=bccd_faster_rcnn_r18 --workdir=runs/bccd-rcnn

Measured with these commands (2026-11-25; float32, 266 s of processor time, 5m22s by the clock on 2
cores that tests shared): AP 0.489, AP50 0.846 on the 41 validation photos (AP50 of platelets 0.724,
red cells 0.816, white 0.998). AP50 by step: 100 0.519, 200 0.816, 300 0.846, 400 0.846. YOLOv3-tiny
from fresh weights ends at 0.264, from COCO's at 0.814 (bccd_yolo_v3_tiny).
"""

from tfvision.experiments.balloons_mask_rcnn_r18 import NARROW, recipe


def get_config():
    """The run; what R-CNN's small runs share stands in balloons_mask_rcnn_r18."""
    return recipe(
        image_size=(256, 320),
        augment=(
            {"name": "horizontal_flip"},
            {"name": "vertical_flip"},
            {"name": "color_jitter", "brightness": 0.2, "contrast": 0.2, "hue": 0.02},
        ),
        max_detections=100,
        task="detection",
        data={"path": "data/bccd"},
        model={
            "name": "faster_rcnn_resnet18_fpn",
            **NARROW,
            "anchor_sizes": ((16,), (32,), (48,), (72,), (108,)),
            "train_pre_nms": 400,
            "train_post_nms": 300,
            "region_samples": 96,
            "pre_nms": 300,
            "post_nms": 150,
        },
        schedule={"name": "cosine", "learning_rate": 1e-3, "warmup_epochs": 2.0},
        train={"batch_size": 4, "steps": 400, "ema": 0.98, "clip_norm": 10.0, "eval_every": 100,
               "best": "ap50"},
    )  # fmt: skip
