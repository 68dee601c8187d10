# Writes layers.json: the initial state and the output of PyTorch's layers, for a fixed seed and input.
# Run with the Python that has torch: python3 test/nn/golden/layers.py
import json
import os

import torch
from torch import nn



class Attention(nn.MultiheadAttention):
    """Self-attention."""

    def forward(self, x):
        return super().forward(x, x, x)[0]


class Masked(nn.MultiheadAttention):
    """Self-attention with a causal mask and padding at the end of the second sequence."""

    def forward(self, x):
        causal = torch.ones(5, 5).triu(1).bool()
        padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
        return super().forward(x, x, x, attn_mask=causal, key_padding_mask=padding)[0]


class Twice(nn.BatchNorm1d):
    """Two batches."""

    def forward(self, x):
        return super().forward(2 * x + 1) + super().forward(x)


class Evaluated(nn.BatchNorm1d):
    """Evaluation after a batch of training."""

    def forward(self, x):
        with torch.no_grad():
            super().forward(2 * x + 1)
        self.eval()
        return super().forward(x)


class Weights(nn.MultiheadAttention):
    """The weights, averaged over the heads."""

    def forward(self, x):
        return super().forward(x, x, x)[1]


class Cross(nn.MultiheadAttention):
    """Attention to two other sequences, which are made of the first, with a mask that is added."""

    def forward(self, x):
        keys = torch.cat([x[:, :, :3], x[:2, :, 3:6]])
        mask = (torch.arange(24).reshape(4, 6) * 0.1).sin()
        return super().forward(x, keys, keys[:, :, :2], attn_mask=mask)[0]


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
    "RNN": (lambda: nn.RNN(3, 4, num_layers=2, nonlinearity="relu", bidirectional=True), (5, 2, 3)),
    "GRU": (lambda: nn.GRU(3, 4, num_layers=2, batch_first=True), (2, 5, 3)),
    "LSTM": (lambda: nn.LSTM(3, 4, num_layers=2, bias=False, bidirectional=True), (5, 2, 3)),
    "MultiheadAttention": (lambda: Attention(8, 2, batch_first=True), (2, 5, 8)),
    "MaskedAttention": (lambda: Masked(8, 2), (5, 2, 8)),
    "AttentionWeights": (lambda: Weights(8, 2, batch_first=True), (2, 5, 8)),
    "CrossAttention": (lambda: Cross(8, 2, kdim=3, vdim=2, bias=False), (4, 2, 8)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3, momentum=0.3, eps=1e-3), (2, 3, 2, 2)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(2, affine=False, track_running_stats=False), (2, 2, 2, 1, 2)),
    "CumulativeBatchNorm": (lambda: Twice(3, momentum=None), (2, 3, 4)),
    "EvaluatedBatchNorm": (lambda: Evaluated(3), (2, 3, 4)),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(8, 2, dim_feedforward=12, dropout=0.0),
        (5, 2, 8),
    ),
    "TransformerEncoderLayerNormFirst": (
        lambda: nn.TransformerEncoderLayer(
            8, 2, dim_feedforward=12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        ),
        (2, 5, 8),
    ),
}


def result(make, shape):
    torch.manual_seed(0)
    layer = make()
    state = {key: {"shape": list(t.shape), "values": t.flatten().tolist()} for key, t in layer.state_dict().items()}
    if shape is None:
        x = torch.tensor([[0, 4], [2, 2]])
    else:
        n = torch.Size(shape).numel()
        x = (torch.arange(n, dtype=torch.float64) * 0.7 + 0.3).sin().reshape(shape).float()
    if x.is_floating_point():
        x.requires_grad_()
    output = layer(x)
    if isinstance(output, tuple):
        output = output[0]
    # The gradients of a weighted sum of the outputs.
    weights = (torch.arange(output.numel(), dtype=torch.float64) * 0.3 + 0.1).cos().reshape(output.shape).float()
    if output.requires_grad:
        (output * weights).sum().backward()
    gradients = {key: p.grad.flatten().tolist() for key, p in layer.named_parameters() if p.grad is not None}
    if x.grad is not None:
        gradients["x"] = x.grad.flatten().tolist()
    after = {key: t.flatten().tolist() for key, t in layer.named_buffers()}
    return {
        "inputShape": shape,
        "state": state,
        "outputShape": list(output.shape),
        "output": output.flatten().tolist(),
        "gradients": gradients,
        "buffers": after,
    }


path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.json")
with open(path, "w") as file:
    json.dump({name: result(*case) for name, case in LAYERS.items()}, file)
    file.write("\n")
