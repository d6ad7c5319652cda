"""YOLOv3 on COCO 2017, Darknet's recipe (yolov3.cfg).

    tfvision convert --format=coco --images=data/coco/train2017 \\
        --annotations=data/coco/annotations --split=train --output=data/coco   (and for val)
    tfvision train --config=coco_yolo_v3 --workdir=runs/yolo_v3

Batch 64, 500,200 steps of SGD with momentum 0.9 at 1e-3, divided by 10 at 400,000 and 450,000,
burn-in of 1,000 steps with power 4, weight decay 5e-4 on the kernels, another size of 320 to 608
every 10 batches. Darknet sums its loss over the image and divides by the batch, as here.
Not run here: it takes weeks on two cores. The paper's: AP50 0.553 at 416, 0.579 at 608, on COCO
test-dev (arXiv:1804.02767, Table 3).

Weights of Darknet can be tried without training:

    tfvision import-weights --source=darknet --checkpoint=yolov3-tiny.weights \\
        --model=yolo_v3_tiny --output=data/yolo_v3_tiny.safetensors
    tfvision evaluate --config=coco_yolo_v3 --config.model.name=yolo_v3_tiny \\
        --config.weights.path=data/yolo_v3_tiny.safetensors
"""

from tfvision.config import config

STEPS = 500_200


def darknet_inputs(size, jitter, **color):
    """Darknet's canvas and augmentation: box jitter on `size`, mirroring, changes of `color`."""
    return {
        "resize": "letterbox",
        "antialias": False,  # Darknet interpolates plainly
        "augment": (
            {"name": "darknet_jitter", "size": size, "jitter": jitter, "antialias": False},
            {"name": "horizontal_flip"},
            {"name": "darknet_color", **color},
        ),
    }


def get_config():
    """The run."""
    return config(
        task="detection",
        data={"path": "data/coco"},
        model={"name": "yolo_v3"},
        inputs={
            "image_size": (416, 416),
            "train_size": (608, 608),
            **darknet_inputs((608, 608), jitter=0.3, hue=0.1, saturation=1.5, exposure=1.5),
            "multi_scale": (320, 608, 32),
        },
        optimizer={"name": "momentum", "momentum": 0.9},
        schedule={
            "name": "piecewise",
            "learning_rate": 1e-3,
            "boundaries": (400_000 / STEPS, 450_000 / STEPS),
            "factors": (0.1, 0.01),
            "warmup_epochs": 1000 * 64 / 118_287,
            "warmup_power": 4.0,
        },
        regularization={"l2": 5e-4},
        train={"batch_size": 64, "steps": STEPS, "accumulate": 4, "eval_every": 10_000},
        detection={"score_threshold": 0.005, "nms_iou": 0.45},
    )
