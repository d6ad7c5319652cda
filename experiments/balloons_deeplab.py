"""A small DeepLabv3+ on the balloon scenes as label maps: background, round, heart, star.

    tfvision synthesize --name=balloons --output=data/balloons
    tfvision convert --format=masks --images=data/balloons/images/train \\
        --annotations=data/balloons/masks/train --split=train --output=data/balloon-maps  (and val)
    tfvision train --config=balloons_deeplab --workdir=runs/balloon-maps

Measured with these commands (2026-11-24; float32, 287 s of processor time; 13m15s by the clock on
2 cores that other runs shared): mIoU 0.563, pixel accuracy 0.881 on the 100 validation scenes; by
step: 250 0.465, 500 0.545, 750 0.561, 1000 0.563. The hardest quarter of the pixels alone counts,
which finds balloons where there are none; with all pixels and 6 epochs it was 0.279.
"""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        task="segmentation",
        data={"path": "data/balloon-maps"},
        model={"name": "deeplab_v3plus_resnet18", "width": 16, "channels": 64},
        inputs={
            "image_size": (256, 320),
            "train_size": (192, 192),
            "resize": "stretch",
            "augment": (
                {"name": "scale_crop", "size": (192, 192), "scale": (0.75, 1.5)},
                {"name": "horizontal_flip"},
            ),
        },
        loss={"name": "cross_entropy", "hardest": 0.25},  # five of six pixels are background
        optimizer={"name": "adamw", "weight_decay": 1e-3},
        schedule={"name": "polynomial", "learning_rate": 3e-3, "warmup_epochs": 1.0},
        train={"batch_size": 8, "epochs": 20.0, "ema": 0.98, "eval_every": 250},
    )
