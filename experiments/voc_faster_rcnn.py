"""Faster R-CNN with ResNet-50 and a feature pyramid on Pascal VOC 2007 and 2012.

    tfvision convert --format=voc --images=data/VOCdevkit/VOC2012 --split=train --output=data/voc
    tfvision train --config=voc_faster_rcnn --workdir=runs/voc_rcnn       (convert val, too)

Batch 16, 18,000 steps at 0.02, divided by 10 at 12,000 and 16,000, warm-up of 100 steps: the
numbers of detectron2's run on VOC, on coco_faster_rcnn_r50_fpn's weights and canvas; short side 600
as in the paper. Not run here. The paper's (VGG16, trained on 2007 and 2012): mAP 0.732 on VOC 2007
test (arXiv:1506.01497, Table 3).

Fast R-CNN beside it, on proposals of Selective Search:

    tfvision convert ... --proposals=quality --output=data/voc-proposals
    tfvision train --config=voc_faster_rcnn --config.model.name=fast_rcnn_resnet50_fpn ...
"""

from tfvision.experiments import coco_faster_rcnn_r50_fpn

STEPS = 18_000


def get_config():
    """The run: what both recipes share stands in coco_faster_rcnn_r50_fpn."""
    config = coco_faster_rcnn_r50_fpn.get_config()
    config.data.path = "data/voc"
    config.inputs.image_size, config.inputs.train_size = (1024, 1024), (608, 1024)
    config.inputs.short, config.inputs.long = 600, 1000
    config.schedule.boundaries = (12_000 / STEPS, 16_000 / STEPS)
    config.schedule.warmup_epochs = 100 * 16 / 16_551
    config.metrics = ("voc2007", "coco")
    config.train.steps, config.train.eval_every = STEPS, 2_000
    return config
