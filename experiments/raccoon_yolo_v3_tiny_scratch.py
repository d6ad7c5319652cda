from tfvision.experiments import raccoon_yolo_v3_tiny


def get_config():
    """The run."""
    return raccoon_yolo_v3_tiny.get_config(pretrained=False)
