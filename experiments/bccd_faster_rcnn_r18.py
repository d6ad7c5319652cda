"""Faster R-CNN with a narrow ResNet-18, from fresh weights, on 130 photos of blood cells."""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        task="detection",
        data={"path": "data/bccd"},
        model={
            "name": "faster_rcnn_resnet18_fpn",
            "width": 32,
            "channels": 64,
            "hidden": 256,
            "anchor_sizes": ((16,), (32,), (48,), (72,), (108,)),
            "bn_frozen": False,
            "train_pre_nms": 400,
            "train_post_nms": 300,
            "region_samples": 96,
            "pre_nms": 300,
            "post_nms": 150,
        },
        inputs={
            "image_size": (256, 320),
            "resize": "letterbox",
            "antialias": False,
            "augment": (
                {"name": "horizontal_flip"},
                {"name": "vertical_flip"},
                {"name": "colour_jitter", "brightness": 0.2, "contrast": 0.2, "hue": 0.02},
            ),
        },
        detection={"score_threshold": 0.05, "nms_iou": 0.5},
        optimizer={"name": "adamw", "weight_decay": 1e-3},
        schedule={"name": "cosine", "learning_rate": 1e-3, "warmup_epochs": 2.0},
        train={"batch_size": 4, "steps": 400, "ema": 0.98, "clip_norm": 10.0, "eval_every": 100,
               "best": "ap50"},
    )  # fmt: skip
