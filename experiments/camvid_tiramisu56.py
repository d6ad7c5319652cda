"""FC-DenseNet56 on CamVid in half an hour on 2 cores: 28 epochs of 50 frames.

    tfvision convert --format=camvid --images=DIR --split=train --output=data/camvid  (and val)
    tfvision train --config=camvid_tiramisu56 --workdir=runs/tiramisu

The paper trains the same network for hundreds of epochs (camvid_tiramisu103 has its schedule).
Measured with these commands on a part of CamVid, 50 training and 16 validation frames
(2026-11-24; float32, 2,069 s of processor time on cores that other runs shared), at the last step:
mIoU 0.203, pixel accuracy 0.542. The averaged statistics of normalisation lag behind after so
few steps of batches of 3: with the batch's statistics, as the authors evaluate, the same weights
give mIoU 0.300, pixel accuracy 0.713, mean accuracy 0.412, frequency-weighted IoU 0.568:

    tfvision evaluate --config=camvid_tiramisu56 --config.weights.path=runs/tiramisu \\
        --config.model.eval_options="{'bn_batch_statistics': True}"

    class         iou  precision  recall      f1   pixels
    Sky         0.895      0.901   0.992   0.944  250,062
    Building    0.548      0.593   0.877   0.708  723,944
    Pole        0.005      0.190   0.005   0.009   15,705
    Road        0.833      0.928   0.891   0.909  798,796
    Pavement    0.418      0.683   0.518   0.590  243,227
    Tree        0.321      0.644   0.390   0.485  451,267
    SignSymbol  0.003      0.056   0.003   0.006   25,220
    Fence       0.000      0.024   0.000   0.000   83,863
    Car         0.281      0.295   0.854   0.438   51,126
    Pedestrian  0.000      0.000   0.000   0.000   18,074
    Bicyclist   0.000      0.000   0.000   0.000   59,928
"""

from tfvision.config import config


def get_config():
    """The run."""
    return config(
        task="segmentation",
        data={"path": "data/camvid"},
        model={"name": "fc_densenet56", "eval_options": {"bn_batch_statistics": True}},
        inputs={
            "image_size": (360, 480),
            "train_size": (224, 224),
            "resize": "stretch",
            "augment": (
                {"name": "random_crop", "size": (224, 224)},
                {"name": "horizontal_flip"},
            ),
        },
        optimizer={"name": "rmsprop"},
        schedule={"name": "cosine", "learning_rate": 1e-3},
        regularization={"l2": 1e-4},
        train={
            "batch_size": 3,
            "steps": 800,
            "precision": "float32",
            "ema": 0.98,
            "eval_every": 160,
        },
        eval={"batch_size": 1},
    )
