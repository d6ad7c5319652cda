"""segmentation_models_pytorch's DeepLabV3+ on CamVid, by the recipe of camvid_deeplab_v3plus.

    PYTHON benchmarks/segmentation_peer.py --camvid=DIR --minutes=30 \\
        --encoder=mobilenet_v2-b0353104.npz

PYTHON has torch, torchvision and segmentation_models_pytorch; none of tfvision is needed. DIR is
CamVid as it unpacks; --encoder is torchvision's MobileNetV2, as .npz. The run ends after so many
minutes of processor time on both cores (--minutes is half of it), so that other work on the
machine takes nothing from it; the schedule follows the same clock. Prints the mIoU of the last
averaged weights at 360 x 480, void left out, and how many steps were taken.
"""

import argparse
import pathlib
import time

import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from torch.nn import functional

CLASSES, VOID, CROP, BATCH = 11, 255, 320, 4
RATE, WARMUP, EMA = 2e-3, 25, 0.99
MEAN = torch.tensor([123.675, 116.28, 103.53])[:, None, None]
STD = torch.tensor([58.395, 57.12, 57.375])[:, None, None]


def read(camvid, split):
    """[(image float32 [3, H, W] 0..255, labels int64 [H, W])] of a split."""
    pairs = []
    for path in sorted((pathlib.Path(camvid) / split).iterdir()):
        with Image.open(path) as image:
            pixels = torch.tensor(np.asarray(image.convert("RGB"), np.float32)).permute(2, 0, 1)
        with Image.open(pathlib.Path(camvid) / f"{split}annot" / path.name) as mask:
            labels = torch.tensor(np.asarray(mask, np.int64))
        labels[labels >= CLASSES] = VOID
        pairs.append((pixels, labels))
    return pairs


def augmented(pixels, labels, rng):
    """A crop of CROP at a scale of 0.75 to 1.75 in steps of 0.25, flipped and of other colors."""
    scale = 0.75 + 0.25 * int(rng.integers(5))
    height, width = labels.shape
    side = [min(int(np.ceil(CROP / scale)), length) for length in (height, width)]
    y, x = (int(rng.integers(n - s + 1)) for n, s in zip((height, width), side, strict=True))
    pixels = pixels[:, y : y + side[0], x : x + side[1]]
    labels = labels[y : y + side[0], x : x + side[1]]
    size = [min(round(s * scale), CROP) for s in side]
    pixels = functional.interpolate(pixels[None], size, mode="bilinear", antialias=True)[0]
    labels = functional.interpolate(labels[None, None].float(), size, mode="nearest")[0, 0].long()
    if rng.random() < 0.5:
        pixels, labels = pixels.flip(-1), labels.flip(-1)
    pixels = pixels * rng.uniform(0.8, 1.2)
    pixels = (pixels.mean() + (pixels - pixels.mean()) * rng.uniform(0.8, 1.2)).clamp(0, 255)
    room = [0, CROP - size[1], 0, CROP - size[0]]
    return functional.pad(pixels, room, value=127.5), functional.pad(labels, room, value=VOID)


def load_encoder(model, file):
    """Torchvision's MobileNetV2 into the encoder, by its own names."""
    arrays = np.load(file)
    state = {k: torch.tensor(arrays[k]) for k in arrays.files if k.startswith("features.")}
    # not the encoder's own, which returns nothing
    missing, unexpected = torch.nn.Module.load_state_dict(model.encoder, state, strict=False)
    if unexpected or [name for name in missing if "num_batches" not in name]:
        raise SystemExit(f"the encoder lacks {missing[:3]} and does not know {unexpected[:3]}")


def miou(model, pairs):
    """Mean IoU over the classes that truth or prediction has, from one confusion matrix."""
    model.eval()
    counts = np.zeros((CLASSES, CLASSES), np.int64)
    with torch.no_grad():
        for pixels, labels in pairs:
            height, width = labels.shape
            image = functional.pad((pixels - MEAN) / STD, [0, -width % 16, 0, -height % 16])
            predicted = model(image[None])[0].argmax(0)[:height, :width].numpy()
            known = labels.numpy() != VOID
            places = labels.numpy()[known] * CLASSES + predicted[known]
            counts += np.bincount(places, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    hits = np.diag(counts)
    union = counts.sum(0) + counts.sum(1) - hits
    return float((hits[union > 0] / union[union > 0]).mean()), float(hits.sum() / counts.sum())


def main():
    """Trains and prints one line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--camvid", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(2)
    rng = np.random.default_rng(0)
    model = smp.DeepLabV3Plus("mobilenet_v2", encoder_weights=None, classes=CLASSES)
    load_encoder(model, arguments.encoder)
    head = [p for name, p in model.named_parameters() if not name.startswith("encoder")]
    groups = [
        {"params": head, "share": 1.0},
        {"params": list(model.encoder.parameters()), "share": 0.3},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, weight_decay=0.01)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(EMA), use_buffers=True
    )
    train, val = read(arguments.camvid, "train"), read(arguments.camvid, "val")
    budget, start, step = arguments.minutes * 120, time.process_time(), 0
    while (used := time.process_time() - start) < budget:
        model.train()
        rate = RATE * min((step + 1) / WARMUP, 1.0) * (1 - used / budget) ** 0.9
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        chosen = [train[int(i)] for i in rng.integers(len(train), size=BATCH)]
        images, labels = zip(*(augmented(*pair, rng) for pair in chosen), strict=True)
        logits = model((torch.stack(images) - MEAN) / STD)
        loss = functional.cross_entropy(logits, torch.stack(labels), ignore_index=VOID)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        step += 1
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}, {used / 120:.1f} min", flush=True)
    score, accuracy = miou(average.module, val)
    print(f"{step} steps: mIoU {score:.4f}, pixel accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
