"""A light Mask R-CNN (ResNet-18) on the balloon scenes: round, heart, star. `make demo` runs it.

    tfvision synthesize --name=balloons --output=data/balloons
    tfvision convert --format=coco --images=data/balloons/images/train \\
        --annotations=data/balloons/annotations/instances_train.json --split=train \\
        --output=data/balloons-records      (and for val)
    tfvision train --config=balloons_mask_rcnn_r18 --workdir=runs/balloon-masks

Measured with these commands (2026-11-24; float32, 549 s of processor time on 2 cores that other
runs shared): mask AP 0.588, mask AP50 0.903, AP 0.649, AP50 0.920 on the 100 validation scenes;
mask AP50 by step: 200 0.750, 400 0.894, 600 0.903. `make demo` in a fresh clone with 10 epochs
instead of 12: 5m49s on two quiet cores without AMX, after 46 s of installation; mask AP50 0.886,
AP50 0.904.
"""

from tfvision.config import config

NARROW = {"width": 32, "channels": 64, "hidden": 256, "bn_frozen": False}  # of the network


def recipe(image_size, augment, max_detections, **sections):
    """What R-CNN's runs on small data sets share; `sections` are the run's own."""
    return config(
        inputs={
            "image_size": image_size,
            "resize": "letterbox",
            "antialias": False,
            "augment": augment,
        },
        detection={
            "score_threshold": 0.05,
            "nms_iou": 0.5,
            "max_detections": max_detections,
        },
        optimizer={"name": "adamw", "weight_decay": 1e-3},
        **sections,
    )


def get_config():
    """The run."""
    return recipe(
        image_size=(160, 192),
        augment=({"name": "horizontal_flip"},),
        max_detections=20,
        task="instance",
        data={"path": "data/balloons-records"},
        model={
            "name": "mask_rcnn_resnet18_fpn",
            **NARROW,
            "mask_widths": (64, 64),
            "anchor_sizes": ((12,), (24,), (48,), (80,), (128,)),
            "train_pre_nms": 300,
            "train_post_nms": 200,
            "anchor_samples": 128,
            "region_samples": 64,
            "pre_nms": 200,
            "post_nms": 100,
        },
        schedule={"name": "cosine", "learning_rate": 1e-3, "warmup_epochs": 1.0},
        train={"batch_size": 8, "epochs": 12.0, "ema": 0.98, "clip_norm": 10.0, "eval_every": 200,
               "best": "mask_ap50"},
    )  # fmt: skip
