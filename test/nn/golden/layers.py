# Writes layers.json: the initial state and the output of PyTorch's layers, for a fixed seed and input.
# Run with the Python that has torch: python3 test/nn/golden/layers.py
import json
import os

import torch
from torch import nn

LAYERS = {
    "Linear": (lambda: nn.Linear(3, 4), (2, 3)),
    "Embedding": (lambda: nn.Embedding(5, 3), None),
    "LayerNorm": (lambda: nn.LayerNorm(4), (2, 4)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 7)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, (2, 3), bias=False, dilation=2), (1, 2, 6, 7)),
    "Conv3d": (lambda: nn.Conv3d(1, 2, 2), (1, 1, 3, 3, 3)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), (2, 4, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 3, 2, stride=2), (1, 2, 3, 3)),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 1, 2), (1, 2, 2, 2, 2)),
    "MaxPool": (lambda: nn.MaxPool2d(3, stride=2, padding=1), (1, 2, 5, 5)),
    "AvgPool": (lambda: nn.AvgPool1d(2), (1, 2, 6)),
    "AdaptiveAvgPool": (lambda: nn.AdaptiveAvgPool2d(1), (2, 3, 4, 5)),
    "ReLU": (lambda: nn.ReLU(), (2, 3)),
    "LeakyReLU": (lambda: nn.LeakyReLU(), (2, 3)),
    "Tanh": (lambda: nn.Tanh(), (2, 3)),
    "Sigmoid": (lambda: nn.Sigmoid(), (2, 3)),
    "GELU": (lambda: nn.GELU(), (2, 3)),
    "SiLU": (lambda: nn.SiLU(), (2, 3)),
    "Hardswish": (lambda: nn.Hardswish(), (2, 3)),
    "Softmax": (lambda: nn.Softmax(1), (2, 3)),
    "Flatten": (lambda: nn.Flatten(), (2, 3, 2)),
    "Identity": (lambda: nn.Identity(), (2, 3)),
}


def result(make, shape):
    torch.manual_seed(0)
    layer = make()
    if shape is None:
        x = torch.tensor([[0, 4], [2, 2]])
    else:
        n = torch.Size(shape).numel()
        x = (torch.arange(n, dtype=torch.float64) * 0.7 + 0.3).sin().reshape(shape).float()
    with torch.no_grad():
        output = layer(x)
    state = {key: {"shape": list(t.shape), "values": t.flatten().tolist()} for key, t in layer.state_dict().items()}
    return {"inputShape": shape, "state": state, "outputShape": list(output.shape), "output": output.flatten().tolist()}


path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.json")
with open(path, "w") as file:
    json.dump({name: result(*case) for name, case in LAYERS.items()}, file)
    file.write("\n")
