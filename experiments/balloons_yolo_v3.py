"""A small YOLOv3 on the balloon scenes: round, heart, star.

    tfvision synthesize --name=balloons --output=data/balloons
    tfvision convert --format=coco --images=data/balloons/images/train \\
        --annotations=data/balloons/annotations/instances_train.json --split=train \\
        --output=data/balloons-records      (and for val)
    tfvision train --config=balloons_yolo_v3 --workdir=runs/balloon-boxes

Measured with these commands (2026-11-24; float32, 543 s of processor time; 16m33s by the clock on
2 cores that other runs shared): AP 0.412, AP50 0.709 on the 100 validation scenes; AP50 by step:
200 0.238, 400 0.622, 600 0.709.
"""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        task="detection",
        data={"path": "data/balloons-records"},
        model={"name": "yolo_v3_small", "width": 16},
        inputs={
            "image_size": (256, 320),
            "resize": "letterbox",
            "antialias": False,
            "augment": (
                {"name": "darknet_jitter", "size": (256, 320), "jitter": 0.2, "antialias": False},
                {"name": "horizontal_flip"},
                {"name": "darknet_color", "hue": 0.02},
            ),
        },
        optimizer={"name": "adamw", "weight_decay": 5e-4},
        schedule={"name": "cosine", "learning_rate": 1e-3, "warmup_epochs": 1.0},
        train={"batch_size": 8, "epochs": 12.0, "ema": 0.98, "clip_norm": 20.0, "eval_every": 200,
               "best": "ap50"},
    )  # fmt: skip
