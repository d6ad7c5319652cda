"""VGG16 on ImageNet: the paper's schedule with torchvision's crops, from scratch.

    tfvision convert --format=folder --images=DIR --split=train --workers=8 --output=data/imagenet
    tfvision convert --format=folder --images=DIR --split=val --workers=8 --output=data/imagenet
    tfvision train --config=imagenet_vgg16 --workdir=runs/vgg16

DIR contains train/<class>/ and val/<class>/. 74 epochs, batch 256, the rate a tenth after each
third, L2 5e-4 (arXiv:1409.1556, section 3.1). Published: top-1 71.59 (torchvision,
VGG16_Weights.IMAGENET1K_V1); it is not our number. Not run here: there is neither ImageNet nor a
GPU. What was run: the network against torchvision's logits on equal weights (tests/weights), and
one step of training. --config.model.name=vgg16_bn trains the one with normalisation.
"""

from tfvision.experiments import imagenet_resnet50


def get_config():
    """The run; data, crops and optimizer stand in imagenet_resnet50."""
    return imagenet_resnet50.recipe(
        epochs=74.0,
        model={"name": "vgg16", "dropout": 0.5},
        schedule={"name": "step", "learning_rate": 0.01, "factor": 0.1, "parts": 3},
        regularization={"l2": 5e-4, "exclude": ()},
    )
