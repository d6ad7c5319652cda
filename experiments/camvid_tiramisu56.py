from tfvision.config import config


def get_config():
    """The run."""
    return config(
        task="segmentation",
        data={"path": "data/camvid"},
        model={"name": "fc_densenet56"},
        inputs={
            "image_size": (360, 480),
            "train_size": (224, 224),
            "resize": "stretch",
            "augment": (
                {"name": "random_crop", "size": (224, 224)},
                {"name": "horizontal_flip"},
            ),
        },
        optimizer={"name": "rmsprop"},
        schedule={"name": "cosine", "learning_rate": 1e-3},
        regularization={"l2": 1e-4},
        train={
            "batch_size": 3,
            "steps": 460,
            "precision": "float32",
            "ema": 0.98,
            "eval_every": 92,
        },
        eval={"batch_size": 2},
    )
