"""MobileNetV2 on ImageNet; and the way of torchvision's weights to a served model.

    tfvision import-weights --source=torchvision --checkpoint=mobilenet_v2-b0353104.pth \\
        --model=mobilenet_v2 --output=mobilenet_v2.safetensors
    tfvision export --config=imagenet_mobilenet_v2 --labels=data/labels/imagenet.txt \\
        --config.weights.path=mobilenet_v2.safetensors --output=models/mobilenet_v2 photos/
    tfvision predict --model=models/mobilenet_v2 --output=predictions photos/

The recipe is torchvision's (300 epochs, batch 256, RMSprop-free: momentum at 0.045, x0.98 an
epoch); published with it: top-1 71.88. It was not run here: there is neither ImageNet nor a GPU.
What was run, with these commands and those weights (2026-11-24, 2 cores): of 70 ImageNet
photos, one per class, 66 have the right class first and 69 among the first five (float32).
"""

from tfvision.experiments import imagenet_resnet50


def get_config():
    """The run; data, crops and optimizer stand in imagenet_resnet50."""
    return imagenet_resnet50.recipe(
        epochs=300.0,
        model={"name": "mobilenet_v2"},
        schedule={"name": "exponential", "learning_rate": 0.045, "factor": 0.98, "parts": 300},
        regularization={"l2": 4e-5, "exclude": ()},
    )
