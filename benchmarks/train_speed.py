"""Training speed: ours, Keras Applications under fit, and torchvision, in turns.

    python benchmarks/train_speed.py [--models=resnet50] [--precisions=float32,bfloat16]
        [--torch=PYTHON]

One batch of 16 that lies in memory, SGD with momentum; medians of five rounds, and the median
of the rounds' ratios. --torch names a Python that has torchvision, if this one has not.
"""

import contest

if __name__ == "__main__":
    contest.main("train", steps=3)
