"""Mask R-CNN with ResNet-101 and a feature pyramid on COCO 2017.

    tfvision import-weights --source=torchvision --checkpoint=resnet101-63fe2227.pth \\
        --model=resnet101 --output=data/resnet101.safetensors
    tfvision train --config=coco_mask_rcnn_r101_fpn --workdir=runs/mask_rcnn_r101

Data and recipe are those of coco_faster_rcnn_r50_fpn. Not run here: it takes weeks on two cores.
"""

from tfvision.experiments import coco_mask_rcnn_r50_fpn


def get_config():
    """The run."""
    config = coco_mask_rcnn_r50_fpn.get_config()
    config.model.name = "mask_rcnn_resnet101_fpn"
    config.weights.path = "data/resnet101.safetensors"
    return config
