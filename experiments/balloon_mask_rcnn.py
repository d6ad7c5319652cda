"""Mask R-CNN on the balloon photos (Abdulla 2018), from a MobileNetV2 that knows ImageNet."""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        task="instance",
        data={"path": "data/balloon"},
        model={
            "name": "mask_rcnn_mobilenet_v2_fpn",
            "channels": 128,
            "hidden": 512,
            "mask_widths": (128, 128, 128, 128),
            "train_pre_nms": 500,
            "train_post_nms": 500,
            "region_samples": 128,
            "pre_nms": 300,
            "post_nms": 300,
        },
        weights={
            "path": "data/mobilenet_v2.safetensors",
            "skip": ("^classifier", "^features.18", "^backbone.fpn", "^rpn", "^roi_heads"),
            "freeze": (r"^features\.[0-2]\.",),
            "rates": (("^features", 0.3),),
        },
        inputs={
            "image_size": (512, 512),
            "resize": "letterbox",
            "antialias": False,
            "augment": (
                {"name": "scale_jitter", "size": (512, 512), "scale": (0.6, 1.6),
                 "antialias": False, "min_visible": 0.1},
                {"name": "horizontal_flip"},
                {"name": "colour_jitter", "brightness": 0.2, "contrast": 0.2, "hue": 0.05},
            ),
        },
        detection={"score_threshold": 0.05, "nms_iou": 0.5, "max_detections": 50},
        optimizer={"name": "adamw", "weight_decay": 1e-3},
        schedule={"name": "cosine", "learning_rate": 5e-4, "warmup_epochs": 3.0},
        train={"batch_size": 2, "steps": 1500, "ema": 0.99, "clip_norm": 10.0, "eval_every": 150,
               "best": "mask_ap"},
        eval={"batch_size": 2},
    )  # fmt: skip
