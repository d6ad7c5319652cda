from tfvision.experiments import bccd_yolo_v3_tiny


def get_config():
    """The run."""
    return bccd_yolo_v3_tiny.get_config(pretrained=False)
