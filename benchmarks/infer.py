"""Inference speed: our exported graph, Keras Applications, and torchvision, in turns.

    python benchmarks/infer.py [--models=resnet50] [--precisions=float32,bfloat16] [--torch=PYTHON]

Batches of 16 that lie in memory; medians of five rounds, and the median of the rounds' ratios.
"""

import contest

if __name__ == "__main__":
    contest.main("infer", steps=6)
