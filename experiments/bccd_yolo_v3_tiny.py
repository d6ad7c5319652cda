"""YOLOv3-tiny with Darknet's COCO weights, fine-tuned on 130 photos of blood cells.

    tfvision convert --format=voc --images=DIR --split=train --output=data/bccd   (and for val)
    tfvision import-weights --source=darknet --checkpoint=yolov3-tiny.weights \\
        --model=yolo_v3_tiny --output=data/yolo_v3_tiny.safetensors
    tfvision train --config=bccd_yolo_v3_tiny --workdir=runs/bccd

All but the heads is loaded, and all of it learns. Measured with these commands (2026-11-24;
float32, 382 s of processor time; 18m22s by the clock on 2 cores that other runs shared):
AP 0.461, AP50 0.814 on the 41 validation photos (platelets 0.628, red cells 0.813, white 1.000).
AP50 by step: 60 0.360, 120 0.740, 180 0.799, 240 0.814. From fresh weights
(bccd_yolo_v3_tiny_scratch) the same recipe ends at 0.264.
"""

from tfvision.experiments import raccoon_yolo_v3_tiny


def get_config(pretrained=True):
    """The run, by the recipe of the raccoons; without `pretrained` from fresh weights."""
    config = raccoon_yolo_v3_tiny.get_config(pretrained)
    config.data.path = "data/bccd"
    return config
