"""ResNet-152 on ImageNet: the recipe of imagenet_resnet50 with 60,192,808 weights.

    tfvision train --config=imagenet_resnet152 --workdir=runs/resnet152

Published with this recipe: top-1 78.31 (torchvision, ResNet152_Weights.IMAGENET1K_V1); it is not
our number. Not run here, for the same reasons; the network matches torchvision's logits.
"""

from tfvision.experiments import imagenet_resnet50


def get_config():
    """The run."""
    return imagenet_resnet50.get_config("resnet152")
