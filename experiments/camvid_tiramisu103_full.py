"""FC-DenseNet103 on CamVid, the paper's second phase: whole frames at 1e-4.

    tfvision train --config=camvid_tiramisu103_full --workdir=runs/tiramisu103_full

Starts from the best weights of camvid_tiramisu103 in runs/tiramisu103. Not run here; see there.
"""

from tfvision.experiments import camvid_tiramisu103


def get_config():
    """The run."""
    config = camvid_tiramisu103.get_config()
    config.weights.path, config.weights.source = "runs/tiramisu103", "tfvision"
    config.inputs.train_size = (360, 480)
    config.inputs.augment = ({"name": "horizontal_flip"},)
    config.schedule.learning_rate = 1e-4
    return config
