"""YOLOv3-tiny with Darknet's COCO weights, fine-tuned on 96 photos of raccoons.

    tfvision convert --format=voc --images=DIR --split=train --output=data/raccoon   (and for val)
    tfvision import-weights --source=darknet --checkpoint=yolov3-tiny.weights \\
        --model=yolo_v3_tiny --output=data/yolo_v3_tiny.safetensors
    tfvision train --config=raccoon_yolo_v3_tiny --workdir=runs/raccoon

All but the heads is loaded, and all of it learns. Measured with these commands (2026-11-24;
float32, 377 s of processor time; 15m44s by the clock on 2 cores that other runs shared):
AP 0.279, AP50 0.769 on the 30 validation photos.
AP50 by step: 60 0.000, 120 0.503, 180 0.703, 240 0.769. From fresh weights
(raccoon_yolo_v3_tiny_scratch) the same recipe ends at 0.426.
Scores are still low after 240 steps (most are below 0.2): tfvision predict --threshold=0.05 draws
them; more steps raise them.
"""

from tfvision.config import config


def get_config(pretrained=True):
    """The run; without `pretrained` the same recipe from fresh weights."""
    weights = {"path": "data/yolo_v3_tiny.safetensors", "skip": (r"\.head/",)}
    return config(
        task="detection",
        data={"path": "data/raccoon"},
        model={"name": "yolo_v3_tiny"},
        weights=weights if pretrained else {},
        inputs={
            "image_size": (416, 416),
            "resize": "letterbox",
            "antialias": False,
            "augment": (
                {"name": "darknet_jitter", "size": (416, 416), "jitter": 0.2, "antialias": False},
                {"name": "horizontal_flip"},
                {"name": "darknet_color"},
            ),
        },
        optimizer={"name": "adamw", "weight_decay": 5e-4},
        schedule={"name": "cosine", "learning_rate": 5e-4, "warmup_epochs": 2.0},
        train={
            "batch_size": 8,
            "steps": 240,
            "precision": "float32",
            "clip_norm": 20.0,
            "ema": 0.98,
            "eval_every": 60,
            "best": "ap50",
        },
    )
