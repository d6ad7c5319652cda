"""FC-DenseNet56 on CamVid in half an hour on 2 cores: 48 epochs of 50 frames.

    tfvision convert --format=camvid --images=DIR --split=train --output=data/camvid  (and val)
    tfvision train --config=camvid_tiramisu56 --workdir=runs/tiramisu

The paper trains the same network for hundreds of epochs (camvid_tiramisu103 has its schedule).
Evaluation normalises with the statistics of the frame itself, as the authors do: behind this much
dropout the averaged ones do not fit a network without it (460 steps gave mIoU 0.203 with them and
0.300 without).

Measured with these commands on a part of CamVid, 50 training and 16 validation frames at 360 x 480
(2026-11-25; float32; about 60 minutes of processor time, 42 by the clock on 2 cores that other
work shared): mIoU 0.358, pixel accuracy 0.788, mean accuracy 0.468, frequency-weighted IoU 0.665;
mIoU by step: 160 0.203, 320 0.266, 480 0.329, 640 0.354, 800 0.358. camvid_deeplab_v3plus, which
starts from ImageNet's weights, comes to 0.680 in less time. Its classes:

    class         iou  precision  recall      f1   pixels
    Sky         0.926      0.934   0.991   0.962  250,062
    Building    0.648      0.722   0.864   0.787  723,944
    Pole        0.001      0.096   0.001   0.003   15,705
    Road        0.868      0.960   0.900   0.929  798,796
    Pavement    0.592      0.763   0.725   0.743  243,227
    Tree        0.565      0.717   0.727   0.722  451,267
    SignSymbol  0.034      0.289   0.037   0.066   25,220
    Fence       0.000      0.000   0.000   0.000   83,863
    Car         0.300      0.311   0.900   0.462   51,126
    Pedestrian  0.001      0.049   0.001   0.003   18,074
    Bicyclist   0.000      1.000   0.000   0.000   59,928
"""

from tfvision.experiments import camvid_tiramisu103


def get_config():
    """The run; data, crops and optimizer stand in camvid_tiramisu103."""
    return camvid_tiramisu103.recipe(
        model={"name": "fc_densenet56", "eval_options": {"bn_image_statistics": True}},
        schedule={"name": "cosine", "learning_rate": 1e-3},
        train={
            "batch_size": 3,
            "steps": 800,
            "precision": "float32",
            "ema": 0.98,
            "eval_every": 160,
        },
    )
