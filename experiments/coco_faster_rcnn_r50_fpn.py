"""Faster R-CNN with ResNet-50 and a feature pyramid on COCO 2017: detectron2's "1x".

    tfvision convert --format=coco --images=data/coco/train2017 \\
        --annotations=data/coco/annotations --split=train --output=data/coco   (and for val)
    tfvision import-weights --source=torchvision --checkpoint=resnet50-0676ba61.pth \\
        --model=resnet50 --output=data/resnet50.safetensors
    tfvision train --config=coco_faster_rcnn_r50_fpn --workdir=runs/faster_rcnn

Batch 16, 90,000 steps of SGD with momentum 0.9 at 0.02, divided by 10 at 60,000 and 80,000, linear
warm-up of 1,000 steps, weight decay 1e-4 (none on normalisation), short side 800, long at most
1,333, mirrored by chance; normalisation and the first stage stay as ImageNet left them. Not run
here: it takes weeks on two cores. Others' with these numbers: box AP 37.9 (detectron2, plain L1:
--config.loss.beta=0.0), 37.0 (torchvision, 26 epochs).

torchvision's trained detector can be tried without training:

    tfvision import-weights --source=torchvision --checkpoint=fasterrcnn_resnet50_fpn_coco.pth \\
        --model=faster_rcnn_resnet50_fpn --output=data/faster_rcnn.safetensors \\
        --num_classes=80 --set=bn_epsilon=0.0
    tfvision evaluate --config=coco_faster_rcnn_r50_fpn --config.model.bn_epsilon=0.0 \\
        --config.weights.path=data/faster_rcnn.safetensors --config.weights.skip="()"
"""

from tfvision.config import FROZEN_STEMS, config

STEPS, WARMUP, BATCH, IMAGES = 90_000, 1_000, 16, 118_287


def get_config():
    """The run."""
    return config(
        task="detection",
        data={"path": "data/coco"},
        model={"name": "faster_rcnn_resnet50_fpn", "train_post_nms": 1000},
        weights={
            "path": "data/resnet50.safetensors",
            "skip": ("^fc", "^backbone.fpn", "^rpn", "^roi_heads"),
            "freeze": FROZEN_STEMS["resnet"],
        },
        inputs={
            "image_size": (1344, 1344),
            "train_size": (800, 1344),
            "aspect_ratio_grouping": True,
            "resize": "short_side",
            "short": 800,
            "long": 1333,
            "padding": (123.675, 116.28, 103.53),
            "antialias": False,
            "augment": ({"name": "horizontal_flip"},),
        },
        detection={"score_threshold": 0.05, "nms_iou": 0.5, "max_detections": 100},
        optimizer={"name": "momentum", "momentum": 0.9},
        schedule={
            "name": "piecewise",
            "learning_rate": 0.02,
            "boundaries": (60_000 / STEPS, 80_000 / STEPS),
            "factors": (0.1, 0.01),
            "warmup_epochs": WARMUP * BATCH / IMAGES,
        },
        regularization={"l2": 1e-4, "exclude": ("gamma", "beta")},
        train={"batch_size": BATCH, "steps": STEPS, "eval_every": 5_000},
    )
