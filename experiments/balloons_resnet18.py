"""ResNet-18 on the balloon scenes: which kinds of balloon are in the picture (several labels).

    tfvision synthesize --name=balloons --output=data/balloons
    tfvision convert --format=coco --images=data/balloons/images/train \\
        --annotations=data/balloons/annotations/instances_train.json \\
        --split=train --output=data/balloons-records        (and the same for val)
    tfvision train --config=balloons_resnet18 --workdir=runs/balloons
"""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        head="sigmoid",
        data={"path": "data/balloons-records"},
        model={"name": "resnet18", "width": 32},
        inputs={
            "image_size": (128, 160),
            "resize": "stretch",
            "augment": (
                {"name": "horizontal_flip"},
                {"name": "colour_jitter", "brightness": 0.2, "contrast": 0.2},
            ),
        },
        optimizer={"name": "lamb", "weight_decay": 0.01},
        schedule={"name": "cosine", "learning_rate": 0.01, "warmup_epochs": 2.0},
        train={"batch_size": 32, "epochs": 40.0, "ema": 0.99, "eval_every": 100},
    )
