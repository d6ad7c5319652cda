"""MobileNetV2 on ImageNet; and the way of torchvision's weights to a served model.

    tfvision import-weights --source=torchvision --checkpoint=mobilenet_v2-b0353104.pth \\
        --model=mobilenet_v2 --output=mobilenet_v2.safetensors
    tfvision export --config=imagenet_mobilenet_v2 --labels=data/labels/imagenet.txt \\
        --config.weights.path=mobilenet_v2.safetensors --output=models/mobilenet_v2 photos/
    tfvision predict --model=models/mobilenet_v2 --output=predictions photos/

The recipe is torchvision's (300 epochs, batch 256, RMSprop-free: momentum at 0.045, x0.98 an
epoch); published with it: top-1 71.88. It was not run here: there is neither ImageNet nor a GPU.
What was run, with these commands and those weights (2026-11-24, 2 cores): of 70 ImageNet
photos, one a class, 66 have the right class first and 69 among the first five (float32).
"""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        data={"path": "data/imagenet", "shuffle_buffer": 16384},
        model={"name": "mobilenet_v2"},
        inputs={
            "image_size": (224, 224),
            "short": 256,
            "crop": {"name": "random_resized_crop"},
            "augment": ({"name": "horizontal_flip"},),
        },
        optimizer={"name": "momentum", "momentum": 0.9},
        schedule={"name": "exponential", "learning_rate": 0.045, "factor": 0.98, "parts": 300},
        regularization={"l2": 4e-5, "exclude": ()},
        train={"batch_size": 256, "epochs": 300.0, "log_every": 50, "steps_per_call": 50},
    )
