from tfvision.config import config


def get_config(pretrained=True):
    """The run; without `pretrained` the same recipe from fresh weights."""
    weights = {"path": "data/yolo_v3_tiny.safetensors", "skip": (r"\.head/",)}
    return config(
        task="detection",
        data={"path": "data/bccd"},
        model={"name": "yolo_v3_tiny"},
        weights=weights if pretrained else {},
        inputs={
            "image_size": (416, 416),
            "resize": "letterbox",
            "antialias": False,
            "augment": (
                {"name": "darknet_jitter", "size": (416, 416), "jitter": 0.2, "antialias": False},
                {"name": "horizontal_flip"},
                {"name": "darknet_colour"},
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
