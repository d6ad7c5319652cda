"""FC-DenseNet103 on CamVid, the paper's first phase: crops of 224.

    tfvision convert --format=camvid --images=DIR --split=train --output=data/camvid  (and val)
    tfvision train --config=camvid_tiramisu103 --workdir=runs/tiramisu103
    tfvision train --config=camvid_tiramisu103_full --workdir=runs/tiramisu103_full

Batch 3, RMSprop at 1e-3, times 0.995 an epoch, weight decay 1e-4, horizontal flips, dropout 0.2;
the best weights by mIoU go on in the second phase (arXiv:1611.09326, section 4.1). The paper
stops when 150 epochs bring no better mIoU; here the number of epochs is fixed.
Not run here: on two cores it takes days. The paper's, on the test part after both phases: mIoU
0.669, pixel accuracy 0.915 (Table 3). The authors normalise with the batch's statistics in
evaluation too; --config.model.eval_options="{'bn_image_statistics': True}" does it with a batch of
one image.
"""

from tfvision.config import config

EPOCHS = 750.0


def recipe(**sections):
    """What the paper says of all its networks; `sections` are the run's own."""
    return config(
        task="segmentation",
        data={"path": "data/camvid"},
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
        regularization={"l2": 1e-4},
        eval={"batch_size": 1},
        **sections,
    )


def get_config():
    """The run."""
    return recipe(
        model={"name": "fc_densenet103"},
        schedule={
            "name": "exponential",
            "learning_rate": 1e-3,
            "factor": 0.995,
            "parts": EPOCHS,
        },
        train={"batch_size": 3, "epochs": EPOCHS},
    )
