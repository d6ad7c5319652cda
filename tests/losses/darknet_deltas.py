"""Darknet's three YOLO layers as plain loops: the deltas that they write, box by box.

Written from what detection_layer.c, region_layer.c and yolo_layer.c do, in their words: w, h are
the grid's, boxes are x y w h as shares of the image. A delta is minus the gradient with respect
to the raw output; `costs` is the loss whose gradient that is.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def iou(a, b):
    """Of two boxes x y w h (centers)."""
    sides = [
        min(a[k] + a[k + 2] / 2, b[k] + b[k + 2] / 2)
        - max(a[k] - a[k + 2] / 2, b[k] - b[k + 2] / 2)
        for k in (0, 1)
    ]
    common = max(sides[0], 0) * max(sides[1], 0)
    union = a[2] * a[3] + b[2] * b[3] - common
    return common / union if union > 0 else 0.0


def truths(boxes, class_ids, size):
    """[(x y w h, class)] of yxyx pixels; what is padding or tiny is left out."""
    found = []
    for (top, left, bottom, right), class_id in zip(boxes, class_ids, strict=True):
        w, h = (right - left) / size[1], (bottom - top) / size[0]
        if class_id >= 0 and w >= 0.001 and h >= 0.001:
            x, y = (left + right) / 2 / size[1], (top + bottom) / 2 / size[0]
            found.append(((x, y, w, h), class_id))
    return found


def best_of(truth, anchors, size):
    """The first anchor (h, w in pixels) with the largest IoU at one place."""
    at_zero = (0, 0, truth[2], truth[3])
    values = [iou(at_zero, (0, 0, aw / size[1], ah / size[0])) for ah, aw in anchors]
    return int(np.argmax(values))


def cross_entropy(t, o):
    """Of a target with sigmoid(o), less the target's entropy."""
    p = sigmoid(o)
    parts = [u * np.log(u / q) if u > 0 else 0.0 for u, q in ((t, p), (1 - t, 1 - p))]
    return sum(parts)


def v1(raw, head, found):
    """raw [h, w, K + 5 A] of one image."""
    h, w = raw.shape[:2]
    k, a = head.num_classes, head.boxes
    delta, costs = np.zeros_like(raw), {"box": 0.0, "object": 0.0, "class": 0.0}
    cells = {}
    for truth, class_id in found:
        at = (min(int(truth[1] * h), h - 1), min(int(truth[0] * w), w - 1))
        cells.setdefault(at, (truth, class_id))  # the first one stays
    for j in range(h):
        for i in range(w):
            for n in range(a):
                delta[j, i, k + n] = head.noobject_scale * (0 - raw[j, i, k + n])
                costs["object"] += head.noobject_scale * raw[j, i, k + n] ** 2 / 2
            if (j, i) not in cells:
                continue
            truth, class_id = cells[j, i]
            for c in range(k):
                difference = (c == class_id) - raw[j, i, c]
                delta[j, i, c] = head.class_scale * difference
                costs["class"] += head.class_scale * difference**2 / 2
            outs, best, best_iou, best_rmse = [], -1, 0.0, 20.0
            for n in range(a):
                x, y, bw, bh = raw[j, i, k + a + 4 * n : k + a + 4 * n + 4]
                bw, bh = (bw**2, bh**2) if head.sqrt else (bw, bh)
                out = ((x + i) / w, (y + j) / h, bw, bh)
                outs.append(out)
                value = iou(out, truth)
                rmse = np.sqrt(sum((p - q) ** 2 for p, q in zip(out, truth, strict=True)))
                if best_iou > 0 or value > 0:
                    if value > best_iou:
                        best_iou, best = value, n
                elif rmse < best_rmse:
                    best_rmse, best = rmse, n
            value = iou(outs[best], truth)
            p = k + best
            target = value if head.rescore else 1.0
            costs["object"] -= head.noobject_scale * raw[j, i, p] ** 2 / 2
            costs["object"] += head.object_scale * (target - raw[j, i, p]) ** 2 / 2
            delta[j, i, p] = head.object_scale * (target - raw[j, i, p])
            sides = np.sqrt(truth[2:]) if head.sqrt else truth[2:]
            for m, t in enumerate((truth[0] * w - i, truth[1] * h - j, *sides)):
                place = k + a + 4 * best + m
                delta[j, i, place] = head.coord_scale * (t - raw[j, i, place])
                costs["box"] += head.coord_scale * (t - raw[j, i, place]) ** 2 / 2
    return delta, costs


def boxes_of(raw, head, size):
    """{(j, i, n): x y w h}, shares of the image."""
    h, w, a = raw.shape[:3]
    made = {}
    for j, i, n in np.ndindex(h, w, a):
        x, y = sigmoid(raw[j, i, n, :2]) * head.scale_x_y - (head.scale_x_y - 1) / 2
        ah, aw = head.anchors[n]
        bw, bh = np.exp(raw[j, i, n, 2:4]) * (aw / size[1], ah / size[0])
        made[j, i, n] = ((i + x) / w, (j + y) / h, bw, bh)
    return made


def v2(raw, head, found, size, seen=None):
    """raw [h, w, A, 5 + K] of one image."""
    h, w = raw.shape[:2]
    delta, costs = np.zeros_like(raw), {"box": {}, "object": {}, "class": {}}
    boxes = boxes_of(raw, head, size)
    slope = sigmoid(raw) * (1 - sigmoid(raw))  # what gradient_array multiplies with

    def region_box(at, t, scale):
        o = np.concatenate([sigmoid(raw[at][:2]), raw[at][2:4]])
        delta[at][:4] = scale * (t - o)
        delta[at][:2] *= slope[at][:2]
        costs["box"][at] = scale * ((t - o) ** 2).sum() / 2

    def confidence(at, scale, target):
        difference = target - sigmoid(raw[at][4])
        delta[at][4] = scale * difference * slope[at][4]
        costs["object"][at] = scale * difference**2 / 2

    for at, box in boxes.items():
        best = max([iou(box, truth) for truth, _ in found], default=0.0)
        confidence(at, head.noobject_scale if best <= head.ignore_threshold else 0.0, 0.0)
        if seen is not None and seen < 12800:
            region_box(at, np.array([0.5, 0.5, 0.0, 0.0]), 0.01)
    tagged = {}
    for truth, class_id in found:
        i, j = min(int(truth[0] * w), w - 1), min(int(truth[1] * h), h - 1)
        n = best_of(truth, head.anchors, size)
        at = (j, i, n)
        ah, aw = head.anchors[n]
        sides = np.log([truth[2] * size[1] / aw, truth[3] * size[0] / ah])
        t = np.array([truth[0] * w - i, truth[1] * h - j, *sides])
        region_box(at, t, head.coord_scale * (2 - truth[2] * truth[3]))
        confidence(at, head.object_scale, iou(boxes[at], truth) if head.rescore else 1.0)
        logits = raw[at][5:]
        tagged.setdefault(at, set()).add(class_id)
        wanted = {class_id} if head.softmax else tagged[at]
        targets = np.array([float(c in wanted) for c in range(head.num_classes)])
        if head.softmax:
            p = np.exp(logits) / np.exp(logits).sum()
            costs["class"][at] = -head.class_scale * np.log(p[class_id])
        else:
            p = sigmoid(logits)
            values = [cross_entropy(*pair) for pair in zip(targets, logits, strict=True)]
            costs["class"][at] = head.class_scale * sum(values)
        delta[at][5:] = head.class_scale * (targets - p)
    return delta, {name: sum(values.values()) for name, values in costs.items()}


def v3(raws, heads, found, size, smooth=0.0):
    """raws [h, w, A, 5 + K] of one image, a head each."""
    deltas, total = [], {"box": 0.0, "object": 0.0, "class": 0.0}
    for raw, head in zip(raws, heads, strict=True):
        h, w = raw.shape[:2]
        delta, costs = np.zeros_like(raw), {"box": {}, "object": {}, "class": {}}
        for at, box in boxes_of(raw, head, size).items():
            best = max([iou(box, truth) for truth, _ in found], default=0.0)
            o = raw[at][4]
            delta[at][4] = head.noobject_scale * (0 - sigmoid(o))
            costs["object"][at] = head.noobject_scale * cross_entropy(0.0, o)
            if best > head.ignore_threshold:
                delta[at][4] = costs["object"][at] = 0.0
        tagged = {}
        for truth, class_id in found:
            i, j = min(int(truth[0] * w), w - 1), min(int(truth[1] * h), h - 1)
            best = best_of(truth, head.all_anchors, size)
            if best not in head.mask:
                continue
            at = (j, i, head.mask.index(best))
            ah, aw = head.all_anchors[best]
            scale = head.coord_scale * (2 - truth[2] * truth[3])
            s, position = head.scale_x_y, np.array([truth[0] * w - i, truth[1] * h - j])
            sides = np.log([truth[2] * size[1] / aw, truth[3] * size[0] / ah])
            o = raw[at]
            delta[at][:2] = scale * (position - (sigmoid(o[:2]) * s - (s - 1) / 2))
            delta[at][2:4] = scale * (sides - o[2:4])
            parts = [
                s * cross_entropy((t + (s - 1) / 2) / s, v)
                for t, v in zip(position, o[:2], strict=True)
            ]
            costs["box"][at] = scale * (sum(parts) + ((sides - o[2:4]) ** 2).sum() / 2)
            delta[at][4] = head.object_scale * (1 - sigmoid(o[4]))
            costs["object"][at] = head.object_scale * cross_entropy(1.0, o[4])
            tagged.setdefault(at, set()).add(class_id)
            targets = [float(c in tagged[at]) for c in range(head.num_classes)]
            targets = np.array(targets) * (1 - smooth) + smooth / 2
            delta[at][5:] = head.class_scale * (targets - sigmoid(o[5:]))
            values = [cross_entropy(*pair) for pair in zip(targets, o[5:], strict=True)]
            costs["class"][at] = head.class_scale * sum(values)
        deltas.append(delta)
        for name, values in costs.items():
            total[name] += sum(values.values())
    return deltas, total
