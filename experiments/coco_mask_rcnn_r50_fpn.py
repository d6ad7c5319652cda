"""Mask R-CNN with ResNet-50 and a feature pyramid on COCO 2017: detectron2's "1x".

    tfvision train --config=coco_mask_rcnn_r50_fpn --workdir=runs/mask_rcnn

Data, weights and recipe are those of coco_faster_rcnn_r50_fpn. Not run here: it takes weeks on two
cores. Others' with these numbers: box AP 38.6, mask AP 35.2 (detectron2), 37.9 and 34.6
(torchvision, 26 epochs).
"""

from tfvision.experiments import coco_faster_rcnn_r50_fpn


def get_config():
    """The run."""
    config = coco_faster_rcnn_r50_fpn.get_config()
    config.task, config.model.name = "instance", "mask_rcnn_resnet50_fpn"
    return config
