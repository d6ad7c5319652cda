"""Inception V3 on ImageNet: the paper's recipe, with its auxiliary head.

    tfvision convert --format=folder --images=DIR --split=train --workers=8 --output=data/imagenet
    tfvision convert --format=folder --images=DIR --split=val --workers=8 --output=data/imagenet
    tfvision train --config=imagenet_inception_v3 --workdir=runs/inception_v3

DIR contains train/<class>/ and val/<class>/. 100 epochs, RMSprop of decay 0.9 and epsilon 1.0 from
0.045, times 0.94 in every two epochs (smoothly here), gradients clipped at 2, the evaluated
weights a moving average (arXiv:1512.00567, section 8); momentum 0.9 and L2 4e-5 as in
TensorFlow's models. The paper's batch is 50 replicas of 32, unsynchronised; here it is 256, and
the rate is the paper's all the same.
Published: top-1 77.29 (torchvision, Inception_V3_Weights.IMAGENET1K_V1, converted from
TensorFlow's); it is not our number. Not run here: there is neither ImageNet nor a GPU. What was
run: the network against torchvision's logits on equal weights (tests/weights), and a few steps.
"""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        data={"path": "data/imagenet", "shuffle_buffer": 16384},
        model={"name": "inception_v3", "dropout": 0.2, "bn_momentum": 0.9997},
        aux_weight=0.4,
        inputs={
            "image_size": (299, 299),
            "short": 342,  # torchvision's evaluation of these weights
            "crop": {"name": "random_resized_crop"},
            "augment": ({"name": "horizontal_flip"},),
        },
        loss={"name": "cross_entropy", "label_smoothing": 0.1},
        optimizer={"name": "rmsprop", "rho": 0.9, "momentum": 0.9, "epsilon": 1.0},
        schedule={"name": "exponential", "learning_rate": 0.045, "factor": 0.94, "parts": 50},
        regularization={"l2": 4e-5},
        train={
            "batch_size": 256,
            "epochs": 100.0,
            "clip_norm": 2.0,
            "ema": 0.9999,
            "log_every": 50,
            "steps_per_call": 50,
        },
    )
