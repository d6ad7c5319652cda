from tfvision.config import config


def get_config():
    """The run."""
    return config(
        task="segmentation",
        data={"path": "data/camvid"},
        model={"name": "deeplab_v3plus_mobilenet_v2", "bn_momentum": 0.97},
        weights={
            "path": "data/mobilenet_v2.safetensors",
            "skip": ("^classifier", "^features.18", "^decoder", "^segmentation_head"),
            "rates": (("^features", 0.3),),
        },
        inputs={
            "image_size": (360, 480),
            "train_size": (320, 320),
            "resize": "stretch",
            "augment": (
                {"name": "scale_crop", "size": (320, 320), "scale": (0.75, 1.75)},
                {"name": "horizontal_flip"},
                {"name": "colour_jitter", "brightness": 0.2, "contrast": 0.2, "hue": 0.05},
            ),
        },
        optimizer={"name": "adamw", "weight_decay": 0.01},
        schedule={"name": "polynomial", "learning_rate": 2e-3, "warmup_epochs": 2.0},
        train={"batch_size": 4, "steps": 1900, "ema": 0.99, "eval_every": 190},
        eval={"batch_size": 2},
    )
