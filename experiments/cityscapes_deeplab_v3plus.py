"""DeepLabv3+ with Xception-65 on Cityscapes, the authors' schedule.

    tfvision convert --format=cityscapes --images=data/cityscapes --split=train \\
        --output=data/cityscapes-records      (and for val)
    tfvision train --config=cityscapes_deeplab_v3plus --workdir=runs/cityscapes_deeplab

Crops of 769, batch 16, 90,000 steps, poly from 0.007 with power 0.9, whole frames of 1024 x 2048
in evaluation (arXiv:1802.02611, section 4.4; the authors' code). Not run here. The paper's: mIoU
0.788 on val (Table 7).
"""

from tfvision.experiments import voc_deeplab_v3plus


def get_config():
    """The run."""
    config = voc_deeplab_v3plus.get_config()
    config.data.path = "data/cityscapes-records"
    config.model.eval_options = {"output_stride": 16}
    config.inputs.image_size, config.inputs.train_size = (1024, 2048), (769, 769)
    config.inputs.resize = "stretch"
    config.inputs.augment = (
        {"name": "scale_crop", "size": (769, 769), "scale": (0.5, 2.0), "step": 0.25},
        {"name": "horizontal_flip"},
    )
    config.train.steps, config.train.eval_every = 90_000, 5_000
    config.eval.batch_size = 1
    return config
