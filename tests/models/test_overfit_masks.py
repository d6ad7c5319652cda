"""A small Mask R-CNN learns four balloon photos by heart, through records and the Trainer."""

import json
import shutil

import pytest

from tfvision import config as configs
from tfvision import sources, tasks, training
from tfvision.records import writer

pytestmark = pytest.mark.slow
LEAST = 0.9
# Of the photos whose balloons are all over 25 pixels wide at 192 x 192, the four with most of them.
PHOTOS = (
    "1297451346_5b92bdac08_b.jpg",
    "321888854_3723b6f10b_b.jpg",
    "3945575930_ce99a7e98d_b.jpg",
    "5013250607_26359229b6_b.jpg",
)


def four(folder, output):
    """The photos and their part of the annotations -> records, the same for train and val."""
    content = json.loads((folder / "via_region_data.json").read_text())
    kept = {key: entry for key, entry in content.items() if entry["filename"] in PHOTOS}
    assert len(kept) == len(PHOTOS)
    images = output / "photos"
    images.mkdir()
    for name in PHOTOS:
        shutil.copy(folder / name, images)
    (images / "via_region_data.json").write_text(json.dumps(kept))
    for split in ("train", "val"):
        source = sources.FORMATS["via"](
            str(images), str(images / "via_region_data.json"), split=split
        )
        writer.write(source, str(output / "records"), writer.Options(split=split))
    return str(output / "records")


def test_four_photos_are_learnt_by_heart(shared_data, tmp_path):
    config = configs.config(
        task="instance",
        seed=1,
        data={"path": four(shared_data / "inst_balloon/train", tmp_path)},
        model={
            "name": "mask_rcnn_resnet18_fpn",
            "width": 16,
            "channels": 48,
            "hidden": 128,
            "mask_widths": (48, 48),
            "anchor_sizes": ((16,), (32,), (64,), (96,), (160,)),
            "bn_frozen": False,
            "train_pre_nms": 200,
            "train_post_nms": 100,
            "anchor_samples": 128,
            "region_samples": 64,
            "pre_nms": 200,
            "post_nms": 100,
        },
        inputs={"image_size": (192, 192), "resize": "letterbox"},
        detection={"score_threshold": 0.05, "nms_iou": 0.5, "mask_size": 56},
        optimizer={"name": "adam"},
        schedule={"name": "cosine", "learning_rate": 2e-3, "end": 0.02},
        train={
            "batch_size": 4,
            "steps": 90,
            "precision": "float32",
            "clip_norm": 10.0,
            "eval_every": 90,
            "checkpoint_every": 90,
            "log_every": 45,
            "report_input": False,
        },
    )
    trainer = training.Trainer(tasks.build(config), config, str(tmp_path / "run"))
    found = trainer.fit()
    assert found["mask_ap50"] > LEAST
    assert found["ap50"] > LEAST
