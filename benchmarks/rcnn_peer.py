"""Mask R-CNN R50-FPN against torchvision's, in turns: a training step, and inference.

    python benchmarks/rcnn_peer.py [--peer-python=PYTHON] [--precisions=float32] [--rounds=5]
        [--profile]

512 x 512 pixels, two images a training step and one at a time in inference, 91 classes with the
background. Both have the same weights (the recipe of tests/oracles, calibrated so that boxes of
many classes fire), frozen normalisation, a frozen stem and first stage, and the same counts:
2000 proposals in training, of which 512 are sampled, 256 anchors; 1000 at inference, where 100
boxes get a mask. Prints medians of seconds and of processor seconds, which other work on the
machine moves less, the median of the rounds' ratios, peak memory, and how far the detections
differ. --profile prints instead where our time goes. PYTHON has torch and torchvision.

TensorFlow's Model Garden is not raced: its tensorflow-text ties it to another TensorFlow (pip's
dry run would put 2.20 in the place of 2.21).
"""

import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import sys
import tempfile

import contest
import side_by_side

SIZE, BATCH, OBJECTS, CLASSES = 512, 2, 8, 90
RATE = 1e-6  # small: the weights stay where boxes fire
ORACLES = pathlib.Path(__file__).resolve().parents[1] / "tests" / "oracles"
CASE = ORACLES / "maskrcnn_resnet50_fpn"
TRAIN = {"pre": 2000, "post": 2000, "anchors": 256, "regions": 512}
TEST = {"pre": 1000, "post": 1000, "score": 0.05, "nms": 0.5, "detections": 100}


def fill():
    spec = importlib.util.spec_from_file_location("fill", ORACLES / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state():
    import numpy as np

    recipe, meta = fill(), json.loads((CASE / "meta.json").read_text(encoding="utf-8"))
    arrays = {n: recipe.fill(n, shape, meta["salt"]) for n, shape in meta["state_dict"]}
    with np.load(CASE / "golden.npz") as file:
        arrays |= {n.removeprefix("override/"): file[n] for n in file if "override/" in n}
    return arrays


def pictures(count):
    """float32 [count, SIZE, SIZE, 3] in 0..1."""
    import numpy as np

    return np.stack([fill().image(seed, SIZE, SIZE) for seed in range(3, 3 + count)])


def truth():
    """boxes [BATCH, OBJECTS, 4] yxyx of whole pixels, class ids [BATCH, OBJECTS]; masks: ovals."""
    import numpy as np

    rng = np.random.default_rng(0)
    sides = np.exp(rng.uniform(np.log(32), np.log(300), (BATCH, OBJECTS, 2))).round()
    corner = (rng.uniform(0, 1, sides.shape) * (SIZE - sides)).round()
    boxes = np.concatenate([corner, corner + sides], axis=-1).astype(np.float32)
    return boxes, rng.integers(0, CLASSES, (BATCH, OBJECTS)).astype(np.int32)


def oval(height, width):
    import numpy as np

    y, x = ((np.arange(n) + 0.5) / n * 2 - 1 for n in (height, width))
    return (y[:, None] ** 2 + x[None] ** 2 <= 1).astype(np.uint8)


# ---- ours ----


def ours(mode, precision):

    from tfvision import stack, training, weights
    from tfvision.architectures import rcnn_network
    from tfvision.architectures.backbones import resnet
    from tfvision.architectures.rcnn_options import MASK
    from tfvision.net import Net

    limits = {
        "train": {
            "train_pre_nms": TRAIN["pre"],
            "train_post_nms": TRAIN["post"],
            "anchor_samples": TRAIN["anchors"],
            "region_samples": TRAIN["regions"],
        },
        "infer": {
            "pre_nms": TEST["pre"],
            "post_nms": TEST["post"],
            "score_threshold": TEST["score"],
            "nms_iou": TEST["nms"],
            "max_detections": TEST["detections"],
        },
    }
    graph = {"train": rcnn_network.training, "infer": rcnn_network.serving}[mode]
    with stack.precision(training.policy(precision)):
        model = graph(
            MASK, resnet.backbone(50), num_classes=CLASSES, image_size=(SIZE, SIZE), **limits[mode]
        )
    net = Net(model, model)
    weights.load(net, state(), source="torchvision")
    return net


def inputs(count):
    import numpy as np
    import tensorflow as tf

    frame = np.tile(np.array([[SIZE, SIZE, 1, 1, 0, 0]], np.float32), [count, 1])
    return {"image": tf.constant(pictures(count) * 255), "frame": tf.constant(frame)}


def ours_train(folder, precision):
    import numpy as np
    import tensorflow as tf

    from tfvision import config, optimizers
    from tfvision.layers import context
    from tfvision.losses import rcnn_losses as losses
    from tfvision.training import tuning

    net = ours("train", precision)
    variables = tuning.freeze(net, config.FROZEN_STEMS["resnet"])
    optimizer = optimizers.build("momentum", RATE)
    optimizers.create_slots(optimizer, variables)
    boxes, class_ids = (tf.constant(part) for part in truth())
    masks = tf.constant(np.tile(oval(56, 56), [BATCH, OBJECTS, 1, 1]))
    batch = {**inputs(BATCH), "boxes": boxes, "class_ids": class_ids, "masks": masks}

    @tf.function
    def step(batch, number):
        with context.randomness(0, number, 0), tf.GradientTape() as tape:
            pairs = losses.terms(net.train(batch, training=True)).values()
            sums = [tf.reduce_sum(a) / tf.maximum(tf.reduce_sum(b), 1.0) for a, b in pairs]
            loss = tf.add_n(sums)
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    def run(steps):
        for number in range(steps):
            loss = step(batch, tf.constant(number, tf.int64)).numpy()
        assert np.isfinite(loss)

    return run


def ours_infer(folder, precision):
    """The frozen graph, as it is exported."""
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    net = ours("infer", precision)

    @tf.function(input_signature=[tf.TensorSpec((1, SIZE, SIZE, 3)), tf.TensorSpec((1, 6))])
    def serve(image, frame):
        outputs = net.serve({"image": image, "frame": frame}, training=False)
        names = ("boxes", "scores", "class_ids", "masks", "num_detections", "num_proposals")
        return [outputs[name] for name in names]

    frozen = convert_to_constants.convert_variables_to_constants_v2(serve.get_concrete_function())
    values = inputs(1)

    def run(steps):
        for _ in range(steps):
            outputs = [np.asarray(part) for part in frozen(values["image"], values["frame"])]
        np.savez(os.path.join(folder, "ours.npz"), boxes=outputs[0][0], scores=outputs[1][0])

    return run


# ---- torchvision's ----


def torch_model():
    import torch
    from torchvision.models.detection import MaskRCNN, backbone_utils
    from torchvision.ops import misc

    torch.set_num_threads(os.cpu_count())
    backbone = backbone_utils.resnet_fpn_backbone(
        backbone_name="resnet50",
        weights=None,
        norm_layer=misc.FrozenBatchNorm2d,
        trainable_layers=3,
    )
    model = MaskRCNN(
        backbone,
        CLASSES + 1,
        min_size=SIZE,
        max_size=SIZE,
        rpn_pre_nms_top_n_train=TRAIN["pre"],
        rpn_post_nms_top_n_train=TRAIN["post"],
        rpn_batch_size_per_image=TRAIN["anchors"],
        box_batch_size_per_image=TRAIN["regions"],
        rpn_pre_nms_top_n_test=TEST["pre"],
        rpn_post_nms_top_n_test=TEST["post"],
        box_score_thresh=TEST["score"],
        box_nms_thresh=TEST["nms"],
        box_detections_per_img=TEST["detections"],
    )
    model.load_state_dict({name: torch.tensor(array) for name, array in state().items()})
    return model.to(memory_format=torch.channels_last)


def torch_images(count):
    import torch

    images = torch.tensor(pictures(count)).permute(0, 3, 1, 2)
    return list(images.contiguous(memory_format=torch.channels_last))


def torch_train(folder, precision):
    import numpy as np
    import torch

    model = torch_model().train()
    targets = []
    for boxes, class_ids in zip(*truth(), strict=True):
        masks = np.zeros((OBJECTS, SIZE, SIZE), np.uint8)
        for mask, (top, left, bottom, right) in zip(masks, boxes.astype(int), strict=True):
            mask[top:bottom, left:right] = oval(bottom - top, right - left)
        boxes, labels = torch.tensor(boxes[:, [1, 0, 3, 2]]), torch.tensor(class_ids + 1).long()
        targets.append({"boxes": boxes, "labels": labels, "masks": torch.tensor(masks)})
    images = torch_images(BATCH)
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], RATE, momentum=0.9
    )

    def run(steps):
        for _ in range(steps):
            optimizer.zero_grad()
            with contest.torch_cast(precision):
                loss = sum(model(images, targets).values())
            loss.backward()
            optimizer.step()
        assert np.isfinite(loss.item())

    return run


def torch_infer(folder, precision):
    import numpy as np
    import torch

    model, images = torch_model().eval(), torch_images(1)
    # The masks are pasted onto the image by the model; ours stay in their boxes, so theirs do.
    model.transform.postprocess = lambda result, image_shapes, original_image_sizes: result

    def run(steps):
        with torch.inference_mode(), contest.torch_cast(precision):
            for _ in range(steps):
                outputs = model(images)[0]
        boxes = outputs["boxes"].float().numpy()[:, [1, 0, 3, 2]]
        path = os.path.join(folder, "torch.npz")
        np.savez(path, boxes=boxes, scores=outputs["scores"].float().numpy())

    return run


# ---- the contest ----


def agreement(folder):
    """How many of the peer's boxes we have within a pixel."""
    import numpy as np

    mine, theirs = (
        np.load(os.path.join(folder, f"{who}.npz"))["boxes"] for who in ("ours", "torch")
    )
    distance = np.abs(theirs[:, None] - mine[None]).max(axis=2).min(axis=1)
    return f"{(distance < 1).sum()} of {len(theirs)} boxes within a pixel"


def race(mode, precision, options):
    with tempfile.TemporaryDirectory() as folder:
        pythons = {"ours": sys.executable, "torch": options.peer_python}
        contenders = (
            side_by_side.Contender(__file__, who, mode, folder, precision, python=python)
            for who, python in pythons.items()
        )
        turns = side_by_side.race(contenders, rounds=options.rounds, steps=options.steps)
        for who, rows in turns.items():
            wall, used, peak = (statistics.median(column) for column in zip(*rows, strict=True))
            line = f"  {who:<6} {wall / options.steps:6.2f} s a step, {used / options.steps:6.2f} s"
            print(f"{line} of the processor; peak {peak:.0f} MiB", flush=True)
        if len(turns) == 2:
            pairs = list(zip(turns["torch"], turns["ours"], strict=True))
            ratios = [statistics.median(t[i] / o[i] for t, o in pairs) for i in (0, 1)]
            line = f"  ours is {ratios[0]:.2f} times as fast, {ratios[1]:.2f} by the processor"
            # in bfloat16 neither side finds its own float32 boxes to a pixel
            same = mode == "infer" and precision == "float32"
            print(line + (f"; {agreement(folder)}" if same else ""), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--precisions", default="float32")
    parser.add_argument("--modes", default="train,infer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="of a turn")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    for precision in options.precisions.split(","):
        for mode in options.modes.split(","):
            print(f"{mode} Mask R-CNN R50-FPN {precision}, {SIZE} x {SIZE}", flush=True)
            if options.profile:
                import rcnn_profile

                run = {"train": ours_train, "infer": ours_infer}[mode]
                rcnn_profile.show(run(tempfile.mkdtemp(), precision), options.steps)
            else:
                race(mode, precision, options)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ("ours", "torch"):
        who, mode, folder, precision = sys.argv[1:]
        side_by_side.serve(globals()[f"{who}_{mode}"](folder, precision))
    else:
        main()
