"""A light Mask R-CNN (ResNet-18) on the balloon scenes: round, heart, star."""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        task="instance",
        data={"path": "data/balloons-records"},
        model={
            "name": "mask_rcnn_resnet18_fpn",
            "width": 32,
            "channels": 64,
            "hidden": 256,
            "mask_widths": (64, 64),
            "anchor_sizes": ((12,), (24,), (48,), (80,), (128,)),
            "bn_frozen": False,
            "train_pre_nms": 300,
            "train_post_nms": 200,
            "anchor_samples": 128,
            "region_samples": 64,
            "pre_nms": 200,
            "post_nms": 100,
        },
        inputs={
            "image_size": (160, 192),
            "resize": "letterbox",
            "antialias": False,
            "augment": ({"name": "horizontal_flip"},),
        },
        detection={"score_threshold": 0.05, "nms_iou": 0.5, "max_detections": 20},
        optimizer={"name": "adamw", "weight_decay": 1e-3},
        schedule={"name": "cosine", "learning_rate": 1e-3, "warmup_epochs": 1.0},
        train={"batch_size": 8, "epochs": 10.0, "ema": 0.98, "clip_norm": 10.0, "eval_every": 200,
               "best": "mask_ap50"},
    )  # fmt: skip
