"""A small DeepLabv3+ (MobileNetV2 with ImageNet's weights) on CamVid.

    tfvision convert --format=camvid --images=DIR --split=train --output=data/camvid  (and val)
    tfvision import-weights --source=torchvision --checkpoint=mobilenet_v2-b0353104.pth \\
        --model=mobilenet_v2 --output=data/mobilenet_v2.safetensors
    tfvision train --config=camvid_deeplab_v3plus --workdir=runs/camvid

Sized for half an hour on 2 cores. Measured with these commands on a part of CamVid, 50 training
and 16 validation frames at 360 x 480, but stopped at step 960 of 1,900 because the machine was
wanted for other work (2026-11-24; bfloat16, 1,562 s of processor time). At step 950: mIoU 0.624,
pixel accuracy 0.924, mean accuracy 0.741, frequency-weighted IoU 0.871; mIoU by step: 190 0.419,
380 0.481, 570 0.568, 760 0.619. Its classes there:

    class         iou  precision  recall      f1   pixels
    Sky         0.942      0.964   0.976   0.970  250,062
    Building    0.871      0.952   0.911   0.931  723,944
    Pole        0.050      0.301   0.056   0.095   15,705
    Road        0.964      0.983   0.981   0.982  798,796
    Pavement    0.847      0.878   0.960   0.917  243,227
    Tree        0.885      0.947   0.939   0.943  451,267
    SignSymbol  0.159      0.738   0.168   0.274   25,220
    Fence       0.582      0.614   0.917   0.735   83,863
    Car         0.767      0.812   0.932   0.868   51,126
    Pedestrian  0.321      0.346   0.816   0.486   18,074
    Bicyclist   0.481      0.906   0.507   0.650   59,928
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
                {"name": "colour_jitter", "brightness": 0.2, "contrast": 0.2, "hue": 0.05},
            ),
        },
        optimizer={"name": "adamw", "weight_decay": 0.01},
        schedule={"name": "polynomial", "learning_rate": 2e-3, "warmup_epochs": 2.0},
        train={"batch_size": 4, "steps": 1900, "ema": 0.99, "eval_every": 190},
        eval={"batch_size": 2},
    )
