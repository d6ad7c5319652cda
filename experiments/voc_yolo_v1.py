"""YOLO (version 1) on Pascal VOC, Darknet's recipe (yolov1.cfg).

    tfvision convert --format=voc --images=data/VOCdevkit/VOC2012 --split=train --output=data/voc
    tfvision train --config=voc_yolo_v1 --workdir=runs/yolo_v1      (convert val, too)

448 x 448, batch 64, 40,000 steps of SGD with momentum 0.9: 5e-4, times 2.5, 2 and 2 at 200, 400
and 600 steps, divided by 10 at 20,000 and 30,000; weight decay 5e-4, dropout 0.5, sizes and
places changed by up to a fifth (arXiv:1506.02640, section 2.2). Starts from ImageNet's weights
where weights.path names them. Not run here. The paper's on VOC 2007 test, trained on 2007 and
2012: mAP 0.634 (Table 1).
"""

from tfvision.config import config

STEPS = 40_000


def get_config():
    """The run."""
    changes = {200: 2.5, 400: 5.0, 600: 10.0, 20_000: 1.0, 30_000: 0.1}
    return config(
        task="detection",
        data={"path": "data/voc"},
        model={"name": "yolo_v1"},
        inputs={
            "image_size": (448, 448),
            "resize": "stretch",
            "antialias": False,
            "augment": (
                {"name": "darknet_jitter", "size": (448, 448), "jitter": 0.2, "antialias": False},
                {"name": "horizontal_flip"},
                {"name": "darknet_color", "hue": 0.1, "saturation": 1.5, "exposure": 1.5},
            ),
        },
        optimizer={"name": "momentum", "momentum": 0.9},
        schedule={
            "name": "piecewise",
            "learning_rate": 5e-4,
            "boundaries": tuple(step / STEPS for step in changes),
            "factors": tuple(changes.values()),
        },
        regularization={"l2": 5e-4},
        metrics=("voc2007", "coco"),
        train={"batch_size": 64, "steps": STEPS, "accumulate": 4, "eval_every": 2_000},
    )
