"""YOLOv2 on Pascal VOC, Darknet's recipe (yolov2-voc.cfg).

    tfvision convert --format=voc --images=data/VOCdevkit/VOC2012 --split=train --output=data/voc
    tfvision train --config=voc_yolo_v2 --workdir=runs/yolo_v2      (convert val, too)

Batch 64, 80,200 steps of SGD with momentum 0.9 at 1e-3, divided by 10 at 40,000 and 60,000, burn-in
of 1,000 steps with power 4, weight decay 5e-4, another size of 320 to 608 every 10 batches
(arXiv:1612.08242, section 2). Starts from Darknet-19's ImageNet weights where weights.path names
them (weights.source=darknet, weights.skip for the head). Not run here. The paper's on VOC 2007
test, trained on 2007 and 2012: mAP 0.768 at 416 (Table 3).
"""

from tfvision.config import config

STEPS = 80_200


def get_config():
    """The run."""
    return config(
        task="detection",
        data={"path": "data/voc"},
        model={"name": "yolo_v2"},
        inputs={
            "image_size": (416, 416),
            "train_size": (608, 608),
            "resize": "letterbox",
            "antialias": False,
            "augment": (
                {"name": "darknet_jitter", "size": (608, 608), "jitter": 0.3, "antialias": False},
                {"name": "horizontal_flip"},
                {"name": "darknet_colour", "hue": 0.1, "saturation": 1.5, "exposure": 1.5},
            ),
            "multi_scale": (320, 608, 32),
        },
        optimizer={"name": "momentum", "momentum": 0.9},
        schedule={
            "name": "piecewise",
            "learning_rate": 1e-3,
            "boundaries": (40_000 / STEPS, 60_000 / STEPS),
            "factors": (0.1, 0.01),
            "warmup_epochs": 1000 * 64 / 16_551,
            "warmup_power": 4.0,
        },
        regularization={"l2": 5e-4},
        detection={"metrics": ("voc2007", "coco")},
        train={"batch_size": 64, "steps": STEPS, "accumulate": 4, "eval_every": 2_000},
    )
