"""Mask R-CNN on 30 balloon photos (Abdulla 2018), from a MobileNetV2 that knows ImageNet.

    tfvision convert --format=via --images=DIR/train --split=train --output=data/balloon \\
        --annotations=DIR/train/via_region_data.json        (and val)
    tfvision import-weights --source=torchvision --checkpoint=mobilenet_v2-b0353104.pth \\
        --model=mobilenet_v2 --output=data/mobilenet_v2.safetensors
    tfvision train --config=balloon_mask_rcnn --workdir=runs/balloon

Measured with these commands on a part of the data set, 30 training and 8 validation photos with 17
balloons (2026-11-25; float32, 3,152 s of processor time, 1h38m by the clock on 2 cores that other
runs shared; alone it would be half an hour). The best weights, step 750, chosen on these very
photos: mask AP 0.753, mask AP50 0.814, AP 0.662. At the end: mask AP 0.737, mask AP50 0.818, AP
0.659, AP50 0.818. Mask AP by step: 150 0.633, 300 0.714, 600 0.749, 900 0.743, 1,200 0.738, 1,500
0.737. Large balloons have a mask AP of 0.915, the three small and medium ones none; a helmet and a
rucksack are taken for balloons. With 17 objects one more or less is 0.06.
"""

from tfvision.experiments.balloons_mask_rcnn_r18 import recipe


def get_config():
    """The run; what R-CNN's small runs share stands in balloons_mask_rcnn_r18."""
    return recipe(
        image_size=(512, 512),
        augment=(
            {"name": "scale_jitter", "size": (512, 512), "scale": (0.6, 1.6),
             "antialias": False, "min_visible": 0.1},
            {"name": "horizontal_flip"},
            {"name": "color_jitter", "brightness": 0.2, "contrast": 0.2, "hue": 0.05},
        ),
        max_detections=50,
        task="instance",
        data={"path": "data/balloon"},
        model={
            "name": "mask_rcnn_mobilenet_v2_fpn",
            "channels": 128,
            "hidden": 512,
            "mask_widths": (128, 128, 128, 128),
            "train_pre_nms": 500,
            "train_post_nms": 500,
            "region_samples": 128,
            "pre_nms": 300,
            "post_nms": 300,
        },
        weights={
            "path": "data/mobilenet_v2.safetensors",
            "skip": ("^classifier", "^features.18", "^backbone.fpn", "^rpn", "^roi_heads"),
            "freeze": (r"^features\.[0-2]\.",),
            "rates": (("^features", 0.3),),
        },
        schedule={"name": "cosine", "learning_rate": 5e-4, "warmup_epochs": 3.0},
        train={"batch_size": 2, "steps": 1500, "ema": 0.99, "clip_norm": 10.0, "eval_every": 150,
               "best": "mask_ap"},
        eval={"batch_size": 2},
    )  # fmt: skip
