"""DeepLabv3+ with Xception-65 on Pascal VOC 2012 segmentation, the paper's schedule.

    tfvision convert --format=voc_segmentation --images=data/VOCdevkit/VOC2012 --split=train \\
        --output=data/voc-segmentation      (and for val)
    tfvision train --config=voc_deeplab_v3plus --workdir=runs/voc_deeplab

Crops of 513 scaled by 0.5 to 2, flips, batch 16, 30,000 steps, poly from 0.007 with power 0.9,
weight decay 4e-5, output stride 16 in training and 8 in evaluation (arXiv:1802.02611, section
4; arXiv:1706.05587). The paper starts from ImageNet's weights and adds VOC's extra annotations.
Not run here. The paper's: mIoU 0.822 on val, with several scales and mirrored images (Table 5 has
the steps); --config.model.eval_scales and eval_flip do that.
"""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        task="segmentation",
        data={"path": "data/voc-segmentation"},
        model={
            "name": "deeplab_v3plus_xception65",
            "bn_momentum": 0.9997,
            "eval_options": {"output_stride": 8},
        },
        inputs={
            "image_size": (513, 513),
            "resize": "letterbox",
            "augment": (
                {"name": "scale_crop", "size": (513, 513), "scale": (0.5, 2.0), "step": 0.25},
                {"name": "horizontal_flip"},
            ),
        },
        optimizer={"name": "momentum", "momentum": 0.9},
        schedule={"name": "polynomial", "learning_rate": 0.007, "power": 0.9},
        regularization={"l2": 4e-5},
        train={"batch_size": 16, "steps": 30_000, "eval_every": 2_000},
        eval={"batch_size": 4},
    )
