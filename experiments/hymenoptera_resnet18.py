"""ResNet-18 from scratch on hymenoptera: ants against bees, 200 of its photos (data/README.md).

    tfvision convert --format=folder --images=DIR --split=train --output=data/hymenoptera
    tfvision convert --format=folder --images=DIR --split=val --output=data/hymenoptera
    tfvision train --config=hymenoptera_resnet18 --workdir=runs/hymenoptera

From scratch this is far too little data. Measured with these commands on a sample of 140
training and 60 held-out photos (2026-11-24; 2 cores beside other work, bfloat16, 2m06s with
start-up): top-1 0.683 at the last step and at the best evaluation (step 140), macro F1 0.683; in
another order of the same records it ended at 0.650. Chance is 0.5 and 60 photos leave a standard
error of 0.06. With weights of a pretrained ResNet-18
(--config.weights.path=FILE, skip=("^fc/",)) it is the usual fine-tuning example; that was not
run, for want of the weights.
"""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        data={"path": "data/hymenoptera"},
        model={"name": "resnet18"},
        inputs={
            "image_size": (128, 128),
            "short": 146,
            "crop": {"name": "random_resized_crop", "scale": (0.25, 1.0)},
            "augment": (
                {"name": "horizontal_flip"},
                {"name": "color_jitter", "brightness": 0.3, "contrast": 0.3, "saturation": 0.3},
            ),
        },
        loss={"name": "cross_entropy", "label_smoothing": 0.1},
        optimizer={"name": "lamb", "weight_decay": 0.02},
        schedule={"name": "cosine", "learning_rate": 0.005, "warmup_epochs": 3.0},
        train={"batch_size": 20, "epochs": 40.0, "ema": 0.99, "eval_every": 70},
    )
