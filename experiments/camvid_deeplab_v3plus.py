"""A small DeepLabv3+ (MobileNetV2 with ImageNet's weights) on CamVid.

    tfvision convert --format=camvid --images=DIR --split=train --output=data/camvid  (and val)
    tfvision import-weights --source=torchvision --checkpoint=mobilenet_v2-b0353104.pth \\
        --model=mobilenet_v2 --output=data/mobilenet_v2.safetensors
    tfvision train --config=camvid_deeplab_v3plus --workdir=runs/camvid

Sized for half an hour on 2 cores. Measured with these commands on a part of CamVid, 50 training
and 16 validation frames at 360 x 480 (2026-11-25; float32; 2,756 s of processor time, 1h52m by the
clock on 2 cores that other runs shared): mIoU 0.680, pixel accuracy 0.930, mean accuracy 0.793,
frequency-weighted IoU 0.879; mIoU by step: 210 0.404, 420 0.494, 630 0.610, 840 0.635, 1,260
0.670, 1,680 0.678, 2,100 0.680. With the same weights, recipe and processor time the DeepLabV3+ of
segmentation_models_pytorch comes to mIoU 0.661, pixel accuracy 0.927
(benchmarks/segmentation_peer.py --minutes=23: 1,478 steps). Our classes:

    class         iou  precision  recall      f1   pixels
    Sky         0.938      0.970   0.967   0.968  250,062
    Building    0.868      0.963   0.898   0.929  723,944
    Pole        0.111      0.358   0.138   0.199   15,705
    Road        0.962      0.984   0.977   0.981  798,796
    Pavement    0.822      0.854   0.956   0.902  243,227
    Tree        0.899      0.937   0.957   0.947  451,267
    SignSymbol  0.377      0.804   0.415   0.547   25,220
    Fence       0.659      0.714   0.896   0.795   83,863
    Car         0.827      0.883   0.929   0.905   51,126
    Pedestrian  0.368      0.394   0.850   0.538   18,074
    Bicyclist   0.644      0.834   0.739   0.783   59,928
"""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        task="segmentation",
        data={"path": "data/camvid"},
        model={"name": "deeplab_v3plus_mobilenet_v2", "bn_momentum": 0.97},
        weights={
            "path": "data/mobilenet_v2.safetensors",
            "skip": ("^classifier", "^features.18", "^decoder", "^segmentation_head"),
            "rates": (("^features", 0.3),),
        },
        inputs={
            "image_size": (360, 480),
            "train_size": (320, 320),
            "resize": "stretch",
            "augment": (
                {"name": "scale_crop", "size": (320, 320), "scale": (0.75, 1.75)},
                {"name": "horizontal_flip"},
                {"name": "color_jitter", "brightness": 0.2, "contrast": 0.2, "hue": 0.05},
            ),
        },
        optimizer={"name": "adamw", "weight_decay": 0.01},
        schedule={"name": "polynomial", "learning_rate": 2e-3, "warmup_epochs": 2.0},
        train={"batch_size": 4, "steps": 2100, "ema": 0.99, "eval_every": 210},
        eval={"batch_size": 2},
    )
