"""Deterministic parameters and images: pure numpy, no other dependency.

A parameter depends on nothing but its NAME (the peer's name, e.g. the key in a
torch state_dict), its SHAPE (in the peer's layout, e.g. torch conv OIHW) and an
integer SALT (0 unless a case's meta.json says otherwise).

    seed  = crc32(name as utf-8) + salt * 2**32
    rng   = numpy.random.Generator(numpy.random.PCG64(seed))   # == default_rng(seed)

`n` is rng.standard_normal(shape, dtype=float32), `u` is rng.random(shape,
dtype=float32) (one draw per parameter, C order); all arithmetic is float32.
The first rule that matches the name (re.search) wins:

 what                                  value
 ------------------------------------- ------------------------------------------
 *num_batches_tracked                  0 (int64)
 *running_mean | *rolling_mean         u*0.2 - 0.1
 *running_var  | *rolling_variance     u*0.4 + 0.8
 last BN scale of a residual branch    u*0.2 + 0.3     (RES_LAST below)
 other 1-D *weight | *.scales (BN)     u*0.4 + 0.8
 *bias | *.biases                      u*0.2 - 0.1
 other (>= 2-D) *weight | *.weights    n * float32(gain * sqrt(2 / fan_in))
 *.conv_head<A>.weights (YOLO head)    the same, then, seen as [A, 5 + classes, in, 1, 1],
                                       rows 0..3 (tx ty tw th) of each anchor * 0.2

fan_in = prod(shape[1:]) (torch OIHW / [out, in]; taken literally for a transposed
conv too, whose torch layout is [in, out, kh, kw]). gain = 1 but for GAINS below.
"""

import re
import zlib

import numpy as np

# Scale of the BN that ends a residual branch: keeps a 152-layer net finite.
#   torchvision / timm / smp bottlenecks: "layer3.7.bn3.weight"
#   Darknet (our own names): "L005.conv_res.scales"
RES_LAST = re.compile(r"(layer\d+\.\d+\.bn3\.weight|\.conv_res\.scales)$")

# First match wins. Only heads whose size matters for discrete decisions.
GAINS = [
    (r"fpn\.layer_blocks\.0\.0\.weight$", 0.45),
    (r"rpn\.head\.cls_logits\.weight$", 0.06),
    (r"rpn\.head\.bbox_pred\.weight$", 0.02),
    (r"box_predictor\.cls_score\.weight$", 0.25),
    (r"box_predictor\.bbox_pred\.weight$", 0.1),
    (r"\.conv_head\d+\.weights$", 0.5),
]


def rng_for(name, salt=0):
    seed = zlib.crc32(name.encode("utf-8")) + int(salt) * 2**32
    return np.random.Generator(np.random.PCG64(seed))


def gain_of(name):
    for pattern, gain in GAINS:
        if re.search(pattern, name):
            return gain
    return 1.0


def fill(name, shape, salt=0):
    """The value of parameter `name`: float32 array of `shape` (int64 for counters)."""
    shape = tuple(int(s) for s in shape)
    f = np.float32
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    rng = rng_for(name, salt)
    if name.endswith(("running_mean", "rolling_mean")):
        return rng.random(shape, dtype=f) * f(0.2) - f(0.1)
    if name.endswith(("running_var", "rolling_variance")):
        return rng.random(shape, dtype=f) * f(0.4) + f(0.8)
    if name.endswith((".scales", "weight")) and len(shape) == 1:
        if RES_LAST.search(name):
            return rng.random(shape, dtype=f) * f(0.2) + f(0.3)
        return rng.random(shape, dtype=f) * f(0.4) + f(0.8)
    if name.endswith(("bias", ".biases")):
        return rng.random(shape, dtype=f) * f(0.2) - f(0.1)
    if name.endswith(("weight", ".weights")) and len(shape) >= 2:
        fan_in = int(np.prod(shape[1:]))
        std = f(gain_of(name) * np.sqrt(2.0 / fan_in))
        w = rng.standard_normal(shape, dtype=f) * std
        m = re.search(r"\.conv_head(\d+)\.weights$", name)
        if m:  # YOLO head with that many anchors: the four box rows of each anchor smaller
            v = w.reshape(int(m.group(1)), -1, *shape[1:])  # a view
            v[:, :4] *= f(0.2)
        return w
    raise ValueError(f"no rule for {name} {shape}")


def _resize_linear(a, h, w):
    """[lh, lw, c] -> [h, w, c], bilinear, corners aligned, float64."""

    def axis(n_in, n_out):
        t = np.linspace(0.0, n_in - 1.0, n_out)
        i = np.minimum(np.floor(t).astype(np.int64), n_in - 2)
        return i, t - i

    yi, yf = axis(a.shape[0], h)
    xi, xf = axis(a.shape[1], w)
    yf = yf[:, None, None]
    xf = xf[None, :, None]
    top, bot = a[yi], a[yi + 1]
    top = top[:, xi] * (1 - xf) + top[:, xi + 1] * xf
    bot = bot[:, xi] * (1 - xf) + bot[:, xi + 1] * xf
    return top * (1 - yf) + bot * yf


def image(seed, h, w):
    """A smooth RGB picture with some edges: float32 [h, w, 3], values in 0..1.

    rng = default_rng(seed). Three octaves of noise, drawn in this order as
    rng.random((gh, gw, 3)) with (gh, gw) = (4, 5), (9, 12), (24, 32), each enlarged
    to h x w bilinearly with aligned corners, are summed with weights .5 .3 .2. Then
    8 times: cy, cx, hh, ww = rng.random(4); colour = rng.random(3); the rectangle of
    pixels rows int((cy-hh*.25)*h) .. int((cy+hh*.25)*h), columns
    int((cx-ww*.25)*w) .. int((cx+ww*.25)*w) (clipped to the picture, end exclusive)
    becomes .3 * old + .7 * colour. All float64, then min-max-stretched over the
    whole picture to 0..1 and cast to float32.
    """
    rng = np.random.default_rng(seed)
    out = np.zeros((h, w, 3))
    for (gh, gw), k in (((4, 5), 0.5), ((9, 12), 0.3), ((24, 32), 0.2)):
        out += k * _resize_linear(rng.random((gh, gw, 3)), h, w)
    for _ in range(8):
        cy, cx, hh, ww = rng.random(4)
        colour = rng.random(3)
        y0, y1 = int((cy - hh * 0.25) * h), int((cy + hh * 0.25) * h)
        x0, x1 = int((cx - ww * 0.25) * w), int((cx + ww * 0.25) * w)
        y0, x0 = max(y0, 0), max(x0, 0)
        out[y0 : max(y1, 0), x0 : max(x1, 0)] *= 0.3
        out[y0 : max(y1, 0), x0 : max(x1, 0)] += 0.7 * colour
    out -= out.min()
    out /= out.max()
    return out.astype(np.float32)


def image_u8(seed, h, w):
    """The same as uint8 (round half to even of 255 * value)."""
    return np.rint(image(seed, h, w).astype(np.float64) * 255.0).astype(np.uint8)


def checksum(a):
    """crc32 of the array's little-endian bytes in C order (to check a re-made fill)."""
    a = np.ascontiguousarray(a)
    return zlib.crc32(a.astype(a.dtype.newbyteorder("<")).tobytes())
