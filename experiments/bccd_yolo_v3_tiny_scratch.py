"""The recipe of bccd_yolo_v3_tiny from fresh weights: what the real ones give.

    tfvision train --config=bccd_yolo_v3_tiny_scratch --workdir=runs/bccd_scratch

Measured on the same photos (2026-11-24; float32, 371 s of processor time on cores that other
runs shared): AP50 0.264 at the last step, where the pretrained weights reach 0.814.
"""

from tfvision.experiments import bccd_yolo_v3_tiny


def get_config():
    """The run."""
    return bccd_yolo_v3_tiny.get_config(pretrained=False)
