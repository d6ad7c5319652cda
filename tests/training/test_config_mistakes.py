"""Mistakes in a config, over the four tasks: one line that names the setting and the value, the
right class of error, and no run folder."""

import pathlib

import pytest
import test_contract
from test_contract import RCNN, SMALL

from tfvision import config as configs
from tfvision import errors, tasks, training

records = test_contract.records
C, S, D, M, I = "classification", "segmentation", "detection", "detection, R-CNN", "instance"  # noqa: E741
DETECTION = {"score_threshold": 0.02, "max_detections": 10}
BASES = {
    C: {**SMALL, "model": {**SMALL["model"], "name": "resnet18"}},
    S: {
        "model": {"name": "deeplab_v3plus_resnet18", "width": 4, "channels": 4},
        "inputs": {"image_size": (32, 32), "resize": "letterbox"},
    },
    D: {
        "model": {"name": "yolo_v3_small", "width": 2},
        "inputs": {"image_size": (64, 64), "resize": "letterbox"},
        "detection": DETECTION,
    },
    M: {
        "model": {"name": "faster_rcnn_resnet18_fpn", **RCNN},
        "inputs": {"image_size": (64, 64), "resize": "letterbox"},
        "detection": DETECTION,
    },
    I: {
        "model": {"name": "mask_rcnn_resnet18_fpn", **RCNN, "mask_widths": (8,)},
        "inputs": {"image_size": (64, 64), "resize": "letterbox"},
        "detection": DETECTION,
    },
}


def step(name, **options):
    return ({"name": "horizontal_flip"}, {"name": name, **options})


def row(task, setting, value, *words):
    return pytest.param(task, setting, value, words, id=f"{task}: {setting}={value!r:.60}")


# Told by names, types and ranges alone: no net is built. Of the words, each is in the message.
ROWS = [
    # names of settings and sections
    row(C, "train.batch_siz", 4, "config.train has no key 'batch_siz'", "'batch_size'"),
    row(C, "trian", {"steps": 1}, "config has no key 'trian'", "did you mean 'train'"),
    row(C, "train", 3, "config.train is a section, not 3"),
    row(C, "inputs.crop", "random_crop", "config.inputs.crop is a section, not 'random_crop'"),
    row(D, "detection.nms", 0.5, "config.detection has no key 'nms'", "'nms_iou'"),
    # types
    row(C, "seed", "3", "config.seed must be int", "'3'"),
    row(C, "train.batch_size", "many", "config.train.batch_size must be int", "many"),
    row(C, "train.batch_size", 4.0, "config.train.batch_size must be int", "4.0"),
    row(C, "train.epochs", "two", "config.train.epochs must be float", "two"),
    row(C, "train.deterministic", 1, "config.train.deterministic must be bool", "1"),
    row(C, "inputs.antialias", "yes", "config.inputs.antialias must be bool", "yes"),
    row(C, "inputs.resize", 3, "config.inputs.resize must be str", "3"),
    row(C, "weights.skip", "^fc/", "config.weights.skip must be tuple", "^fc/"),
    row(C, "inputs.augment", {"name": "blur"}, "config.inputs.augment must be tuple", "blur"),
    row(C, "model.name", 18, "config.model.name", "18"),
    row(S, "loss.name", 5, "config.loss.name", "5"),
    row(D, "metrics", "coco", "config.metrics must be tuple", "coco"),
    row(C, "model.width", "wide", "config.model.width is 'wide'", "a number above 0"),
    row(C, "optimizer.weight_decay", "much", "config.optimizer.weight_decay is 'much'"),
    row(C, "schedule.learning_rate", None, "config.schedule.learning_rate", "None"),
    # lengths
    row(C, "inputs.image_size", (24, 16, 3), "config.inputs.image_size is (24, 16, 3)"),
    row(C, "inputs.image_size", (), "config.inputs.image_size is ()", "(128, 128)"),
    row(C, "inputs.image_size", (24.5, 16), "config.inputs.image_size is (24.5, 16)"),
    row(C, "inputs.image_size", ("24", "16"), "config.inputs.image_size is ('24', '16')"),
    row(C, "inputs.image_size", -8, "config.inputs.image_size is (-8, -8)"),
    row(S, "inputs.train_size", (16, 16, 3), "config.inputs.train_size is (16, 16, 3)"),
    row(C, "inputs.padding", (127.5,), "config.inputs.padding is (127.5,)", "three numbers"),
    row(C, "inputs.padding", (1, 2, 300), "config.inputs.padding is (1, 2, 300)"),
    row(D, "inputs.multi_scale", (32, 64), "config.inputs.multi_scale is (32, 64)"),
    row(D, "inputs.multi_scale", (64, 32, 32), "config.inputs.multi_scale is (64, 32, 32)"),
    row(C, "loss.class_weights", (1.0, 2.0, 3.0), "config.loss.class_weights is", "2 classes"),
    row(S, "loss.class_weights", (1.0,), "config.loss.class_weights is (1.0,)", "2 classes"),
    # ranges
    row(C, "seed", -1, "config.seed is -1"),
    row(C, "seed", 2**40, f"config.seed is {2**40}"),
    row(C, "data.num_classes", -2, "config.data.num_classes is -2"),
    row(C, "data.shuffle_buffer", -1, "config.data.shuffle_buffer is -1"),
    row(C, "aux_weight", -0.4, "config.aux_weight is -0.4"),
    row(C, "inputs.short", 0, "config.inputs.short is 0"),
    row(D, "inputs.long", -5, "config.inputs.long is -5"),
    row(D, "inputs.multi_scale_every", 0, "config.inputs.multi_scale_every is 0"),
    row(D, "detection.max_boxes", -1, "config.detection.max_boxes is -1"),
    row(D, "detection.nms_iou", 1.5, "config.detection.nms_iou is 1.5"),
    row(D, "detection.max_detections", 0, "config.detection.max_detections is 0"),
    row(M, "detection.max_proposals", 0, "config.detection.max_proposals is 0"),
    row(I, "detection.mask_size", 0, "config.detection.mask_size is 0"),
    row(I, "detection.score_threshold", 2.0, "config.detection.score_threshold is 2.0"),
    row(C, "schedule.learning_rate", -0.01, "config.schedule.learning_rate is -0.01"),
    row(C, "schedule.learning_rate", float("nan"), "config.schedule.learning_rate is nan"),
    row(C, "schedule.learning_rate", float("inf"), "config.schedule.learning_rate is inf"),
    row(C, "schedule.warmup_epochs", -1.0, "config.schedule.warmup_epochs is -1.0"),
    row(C, "schedule.scale_with_batch", -8, "config.schedule.scale_with_batch is -8"),
    row(C, "train.profile_steps", (1, 5), "config.train.profile_steps is (1, 5)", "from 2"),
    row(C, "train.profile_steps", (9, 5), "config.train.profile_steps is (9, 5)"),
    row(C, "strategy.workers", -1, "config.strategy.workers is -1"),
    row(C, "regularization.l2", -1e-4, "config.regularization.l2 is -0.0001"),
    row(C, "regularization.l1", -1.0, "config.regularization.l1 is -1.0"),
    row(C, "regularization.exclude", ("(",), "config.regularization.exclude is ('(',)"),
    row(C, "train.batch_size", 0, "config.train.batch_size is 0"),
    row(C, "train.epochs", -1.0, "config.train.epochs is -1.0", "0 trains nothing"),
    row(C, "train.steps", -5, "config.train.steps is -5"),
    row(C, "train.accumulate", -2, "config.train.accumulate is -2"),
    row(C, "train.clip_norm", -1.0, "config.train.clip_norm is -1.0"),
    row(C, "train.ema", 1.5, "config.train.ema is 1.5", "0 keeps no average"),
    row(C, "train.ema", -0.1, "config.train.ema is -0.1"),
    row(C, "train.steps_per_call", 0, "config.train.steps_per_call is 0"),
    row(C, "train.log_every", -10, "config.train.log_every is -10"),
    row(C, "train.eval_every", -1, "config.train.eval_every is -1"),
    row(C, "train.checkpoint_every", -1, "config.train.checkpoint_every is -1"),
    row(C, "train.keep", 0, "config.train.keep is 0"),
    row(C, "train.intra_op_threads", -1, "config.train.intra_op_threads is -1"),
    row(C, "eval.batch_size", -4, "config.eval.batch_size is -4"),
    row(C, "loss.label_smoothing", 1.5, "config.loss.label_smoothing is 1.5"),
    row(C, "loss.class_weights", (-1.0, -1.0), "config.loss.class_weights is (-1.0, -1.0)"),
    row(C, "loss.class_weights", (0.0, 0.0), "config.loss.class_weights is (0.0, 0.0)"),
    row(S, "loss.hardest", 0.0, "config.loss.hardest is 0.0"),
    row(S, "loss.label_smoothing", -0.1, "config.loss.label_smoothing is -0.1"),
    row(M, "loss.beta", -1.0, "config.loss.beta is -1.0"),
    row(D, "loss.label_smoothing", 2.0, "config.loss.label_smoothing is 2.0"),
    row(C, "model.width", -4, "config.model.width is -4"),
    row(C, "model.dropout", 1.5, "config.model.dropout is 1.5"),
    row(C, "model.stochastic_depth", -0.2, "config.model.stochastic_depth is -0.2"),
    row(S, "model.output_stride", 7, "config.model.output_stride is 7", "8, 16 or 32"),
    row(I, "model.mask_widths", (0,), "config.model.mask_widths is (0,)"),
    row(M, "model.region_samples", 0, "config.model.region_samples is 0"),
    row(C, "optimizer.weight_decay", -0.1, "config.optimizer.weight_decay is -0.1"),
    row(C, "optimizer.momentum", 1.0, "config.optimizer.momentum is 1.0"),
    row(C, "schedule.end", -0.5, "config.schedule.end is -0.5"),
    # patterns of variables
    row(C, "weights.skip", ("^fc(",), "config.weights.skip is ('^fc(',)"),
    row(C, "weights.freeze", (3,), "config.weights.freeze is (3,)"),
    row(C, "weights.rates", ("^fc/", 0.1), "config.weights.rates is ('^fc/', 0.1)"),
    row(C, "weights.rates", (("^fc/", -1),), "config.weights.rates is (('^fc/', -1),)"),
    # names of what there is
    row("classificaton", "seed", 0, "unknown task 'classificaton'", "'classification'"),
    row(C, "head", "sigmod", "unknown head 'sigmod'", "did you mean 'sigmoid'"),
    row(C, "model.name", "resnet19", "classification model 'resnet19'", "'resnet1"),
    row(C, "model.name", "yolo_v3_small", "classification model 'yolo_v3_small'"),
    row(S, "model.name", "deeplab_v3plus_resnet19", "segmentation model", "did you mean"),
    row(D, "model.name", "yolo_v33", "detection model 'yolo_v33'", "did you mean 'yolo_v3"),
    row(D, "model.name", "mask_rcnn_resnet18_fpn", "mask_rcnn_resnet18_fpn", "'instance'"),
    row(C, "inputs.resize", "strech", "unknown resize 'strech'", "did you mean 'stretch'"),
    row(I, "inputs.resize", "center_crop", "config.inputs.resize is 'center_crop'"),
    row(C, "inputs.resize", "centre_crop", "resize 'centre_crop'; it is called 'center_crop' now"),
    row(C, "inputs.augment", step("grey"), "inputs.augment[1]", "it is called 'grayscale' now"),
    row(C, "loss.name", "cross_entropi", "unknown classification loss 'cross_entropi'"),
    row(S, "loss.name", "dicce", "unknown segmentation loss 'dicce'", "did you mean 'dice'"),
    row(D, "loss.name", "focal", "config.loss.name is 'focal'", "--config.loss.name="),
    row(M, "loss.name", "cross_entropy", "config.loss.name is 'cross_entropy'"),
    row(I, "loss.name", "banana", "config.loss.name is 'banana'", "not for 'instance'"),
    row(I, "loss", {"name": "", "box_loss": "giou", "beta": 0.5}, "loss.beta is 0.5", "'giou'"),
    row(I, "loss.box_loss", "siou", "unknown config.loss.box_loss 'siou'", "did you mean"),
    row(D, "loss.box_loss", "siou", "unknown config.loss.box_loss 'siou'", "did you mean"),
    row(D, "metrics", ("cocco",), "detection metric 'cocco'", "'coco'"),
    row(I, "metrics", ("coco", "coco"), "config.metrics is ('coco', 'coco')", "each metric once"),
    row(C, "metrics", ("top5",), "classification metric 'top5'", "top_k"),
    row(S, "metrics", ("miou",), "segmentation metric 'miou'", "segmentation_report"),
    row(D, "detection.metrics", ("coco",), "config.detection.metrics is now config.metrics"),
    row(D, "detection.soft_nms", "gausian", "unknown soft NMS 'gausian'", "'gaussian'"),
    row(C, "inputs.crop.name", "random_resized_crp", "'random_resized_crp'", "did you mean"),
    row(C, "inputs.mix.name", "mixupp", "config.inputs.mix 'mixupp'", "did you mean 'mixup'"),
    row(C, "inputs.mix.name", "mosaic", "config.inputs.mix 'mosaic'", "mixup"),
    row(C, "inputs.augment", step("horizontal_flp"), "inputs.augment[1]", "'horizontal_flip'"),
    # options of what is named
    row(C, "loss.smoothing", 0.1, "cross_entropy' has no option 'smoothing'", "label_smoothing"),
    row(S, "loss.ignore", 3, "loss 'cross_entropy' has no option 'ignore'"),
    row(D, "loss.gamma", 2.0, "config.loss: the loss of yolo_v3_small has no option 'gamma'"),
    row(I, "loss.betta", 0.1, "no option 'betta'; did you mean 'beta'"),
    row(C, "inputs.augment", ("blur",), "config.inputs.augment[0] is 'blur'"),
    row(C, "inputs.augment", ({"nam": "blur"},), "config.inputs.augment[0] is {'nam': 'blur'}"),
    row(C, "inputs.augment", step("blur", sigmma=1), "inputs.augment[1]", "did you mean 'sigma'"),
    row(C, "inputs.augment", step("blur", sigma=2), "config.inputs.augment[1].sigma is 2"),
    row(C, "inputs.augment", step("grayscale", probability=1.5), "[1].probability is 1.5"),
    row(C, "inputs.augment", step("posterize", bits=9), "[1].bits is 9"),
    row(C, "inputs.augment", step("rand_augment", count=0), "[1].count is 0"),
    row(C, "inputs.augment", step("cutout", size=-3), "[1].size is -3"),
    row(D, "inputs.augment", step("darknet_jitter"), "'darknet_jitter' needs the option 'size'"),
    row(D, "inputs.augment", step("darknet_jitter", size=64), "[1].size is 64", "(height, width)"),
    row(D, "inputs.augment", step("affine", scale=(2.0, 0.5)), "[1].scale is (2.0, 0.5)"),
    row(S, "inputs.augment", step("scale_crop", size=(16,)), "[1].size is (16,)"),
    row(I, "inputs.augment", step("noise", stddev=(-1, 2)), "[1].stddev is (-1, 2)"),
    row(C, "inputs.crop", {"name": "random_resized_crop", "scal": (0.5, 1)}, "'scal'", "'scale'"),
    row(C, "inputs.crop", {"name": "random_resized_crop", "scale": (0.5, 2)}, "scale is (0.5, 2)"),
    row(C, "inputs.crop", {"scale": (0.5, 1.0)}, "config.inputs.crop.name is empty", "scale"),
    row(C, "inputs.mix", {"name": "mixup", "alfa": 1.0}, "no option 'alfa'", "'alpha'"),
    row(C, "inputs.mix", {"name": "mixup", "alpha": 0.0}, "config.inputs.mix.alpha is 0.0"),
    row(D, "inputs.mix", {"name": "mosaic", "middle": (0.9, 0.1)}, "inputs.mix.middle is"),
    row(D, "model.widht", 4, "yolo_v3_small has no option 'widht'", "'width'"),
    row(M, "model.score_threshold", 0.5, "config.model.score_threshold", "config.detection"),
    # what a task does not read
    row(S, "head", "sigmoid", "config.head is 'sigmoid'", "not for 'segmentation'"),
    row(C, "probabilities", True, "config.probabilities is True", "segmentation"),
    row(C, "inputs.train_size", (16, 16), "config.inputs.train_size is (16, 16)"),
    row(S, "inputs.multi_scale", (32, 64, 32), "config.inputs.multi_scale is (32, 64, 32)"),
    row(S, "inputs.mix.name", "mixup", "config.inputs.mix.name is 'mixup'"),
    row(I, "inputs.mix.name", "mosaic", "config.inputs.mix", "mosaic"),
    row(M, "inputs.turned", True, "config.inputs.turned is now config.inputs.aspect_ratio"),
    row(
        C,
        "inputs.aspect_ratio_grouping",
        True,
        "config.inputs.aspect_ratio_grouping is True",
        "not for 'classification'",
    ),
    row(
        D,
        "inputs.aspect_ratio_grouping",
        True,
        "config.inputs.aspect_ratio_grouping is for R-CNN",
        "yolo_v3_small",
    ),
    row(D, "inputs.image_size", (60, 64), "inputs.image_size is (60, 64)", "such as (64, 64)"),
    row(D, "inputs.multi_scale", (32, 64, 16), "inputs.multi_scale is (32, 64, 16)", "of 32"),
    # data
    row(C, "data.path", "no-such", "no-such"),
    row(C, "data.num_classes", 7, "config.data.num_classes is 7", "2 classes"),
    row(C, "data.train", "trian", "no split 'trian'", "did you mean 'train'"),
    row(C, "data.class_names", ("light", "dark"), "class 0 is 'dark' here and 'light' there"),
    row(C, "train.accumulate", 3, "config.train.batch_size is 4", "3"),
    # before the net is built
    row(C, "train.precision", "float23", "precision 'float23'", "did you mean 'float32'"),
    row(C, "optimizer.name", "lamp", "unknown optimizer 'lamp'", "did you mean 'lamb'"),
    row(C, "optimizer.beta_3", 0.9, "has no option 'beta_3'"),
    row(C, "schedule.name", "cosin", "unknown schedule 'cosin'", "did you mean 'cosine'"),
    row(C, "schedule.power", 2.0, "schedule 'cosine' has no option 'power'"),
    row(C, "schedule.warmup_epochs", 50.0, "the warm-up of"),
]
# Told by the net, its weights or the first batch.
LATE_ROWS = [
    row(C, "model.widht", 4, "resnet18 has no option 'widht'", "'width'"),
    row(S, "model.chanels", 4, "chanels", "did you mean 'channels'"),
    row(I, "model.hiden", 4, "no option 'hiden'; did you mean 'hidden'"),
    row(C, "model.activation", "rellu", "rellu"),
    row(C, "model.stem", "tiny", "tiny"),
    row(C, "data.val", "vla", "no split 'vla'", "did you mean 'val'"),
    row(C, "train.batch_size", 10**9, "config.train.batch_size is 1000000000", "of memory"),
    row(C, "train.best", "top2", "config.train.best is 'top2'", "did you mean 'top1'"),
    row(C, "weights.path", "none.npz", "none.npz"),
    row(C, "weights.path", "w.zip", "w.zip is not a weight file"),
    row(C, "weights", {"path": "x.npz", "source": "torch"}, "source of weights 'torch'"),
    row(C, "weights.freeze", ("^layr1",), "weights.freeze: '^layr1' is found in no variable"),
    row(C, "weights.rates", (("^fcc/", 0.1),), "weights.rates: '^fcc/' is found in no"),
    row(C, "inputs.crop.name", "ssd_crop", "crop 'ssd_crop' needs the boxes"),
    row(S, "inputs.augment", step("translate"), "'translate' is for classification only"),
    row(I, "inputs.image_size", (60, 64), "60"),
]


def changed(base, path, value):
    """`base` with one setting changed."""
    key, _, rest = path.partition(".")
    if not rest:
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        return {**base, key: {**base[key], **value} if both else value}
    return {**base, key: changed(base.get(key, {}), rest, value)}


def tree(records, task):
    name = task.split(",")[0]
    known = name if name in test_contract.REPLIES else C
    train = {"batch_size": 4, "steps": 2, "precision": "float32"}
    base = {"task": name, "data": {"path": records(known)}, "train": train}
    return {**base, **BASES.get(task, SMALL)}


def train(settings, workdir):
    config = configs.config(**settings)
    training.Trainer(tasks.build(config), config, str(workdir)).fit()


def refused(settings, workdir, words):
    with pytest.raises(errors.TfvisionError) as caught:
        train(settings, workdir)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    for word in words:
        assert word in message
    assert caught.value.exit_code in (1, 2)
    assert not pathlib.Path(workdir).exists()
    return message


@pytest.mark.parametrize(("task", "setting", "value", "words"), ROWS)
def test_a_mistake_is_told_before_a_net_is_built(
    task, setting, value, words, records, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "tfvision.architectures.build", lambda *a, **k: pytest.fail("a net was built")
    )
    refused(changed(tree(records, task), setting, value), tmp_path / "run", words)


@pytest.mark.parametrize(("task", "setting", "value", "words"), LATE_ROWS)
def test_a_mistake_is_told_before_a_folder_is_made(
    task, setting, value, words, records, tmp_path, capfd, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.zip").write_bytes(b"PK")
    refused(changed(tree(records, task), setting, value), tmp_path / "run", words)
    assert "AutoGraph" not in "".join(capfd.readouterr())
