"""YOLOv2 on Pascal VOC, Darknet's recipe (yolov2-voc.cfg).

    tfvision convert --format=voc --images=data/VOCdevkit/VOC2012 --split=train --output=data/voc
    tfvision train --config=voc_yolo_v2 --workdir=runs/yolo_v2      (convert val, too)

Batch 64, 80,200 steps of SGD with momentum 0.9 at 1e-3, divided by 10 at 40,000 and 60,000, burn-in
of 1,000 steps with power 4, weight decay 5e-4, another size of 320 to 608 every 10 batches
(arXiv:1612.08242, section 2). Starts from Darknet-19's ImageNet weights where weights.path names
them (weights.source=darknet, weights.skip for the head). Not run here. The paper's on VOC 2007
test, trained on 2007 and 2012: mAP 0.768 at 416 (Table 3).
"""

from tfvision.experiments import coco_yolo_v3

STEPS = 80_200


def get_config():
    """The run: what both recipes share stands in coco_yolo_v3."""
    config = coco_yolo_v3.get_config()
    config.data.path, config.model.name = "data/voc", "yolo_v2"
    config.schedule.boundaries = (40_000 / STEPS, 60_000 / STEPS)
    config.schedule.warmup_epochs = 1000 * 64 / 16_551
    config.metrics = ("voc2007", "coco")
    config.train.steps, config.train.eval_every = STEPS, 2_000
    return config
