"""ResNet-50 on ImageNet, torchvision's first recipe (90 epochs, batch 256, steps of 30).

    tfvision convert --format=folder --images=DIR --split=train --workers=8 --output=data/imagenet
    tfvision convert --format=folder --images=DIR --split=val --workers=8 --output=data/imagenet
    tfvision train --config=imagenet_resnet50 --workdir=runs/resnet50

DIR contains train/<class>/ and val/<class>/. Published with this recipe: top-1 76.13 (torchvision,
ResNet50_Weights.IMAGENET1K_V1); it is not our number. Not run here: there is neither ImageNet
nor a GPU. What was run: the network against torchvision's logits on equal weights (tests/weights).
"""

from tfvision.config import config


def recipe(epochs, **sections):
    """What the runs on crops of 224 share: data, crops and SGD; `sections` are the run's own."""
    return config(
        data={"path": "data/imagenet", "shuffle_buffer": 16384},
        inputs={
            "image_size": (224, 224),
            "short": 256,
            "crop": {"name": "random_resized_crop"},
            "augment": ({"name": "horizontal_flip"},),
        },
        optimizer={"name": "momentum", "momentum": 0.9},
        train={"batch_size": 256, "epochs": epochs, "log_every": 50, "steps_per_call": 50},
        **sections,
    )


def get_config(name="resnet50"):
    """The run."""
    return recipe(
        epochs=90.0,
        model={"name": name, "zero_init_last": False},
        schedule={"name": "step", "learning_rate": 0.1, "factor": 0.1, "parts": 3},
        # torch's weight_decay is inside the gradient, of every variable: L2 without exclusions
        regularization={"l2": 1e-4, "exclude": ()},
    )
