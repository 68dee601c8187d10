# Writes library.json: what PyTorch's functions give for fixed inputs, and their gradients.
# Run with the Python that has torch: python3 test/autograd/golden/library.py
import json
import os

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def sine(k, *shape):
    n = 1
    for size in shape:
        n *= size
    return (torch.arange(n) * 0.7 + k + 0.3).sin().reshape(shape)


I = lambda *values: torch.tensor(values)
M = lambda x: x > 0

CASES = {
    **{
        name: ([(2, 3)], lambda x, name=name: getattr(torch, name)(x))
        for name in "sin cos tan asin acos atan sinh cosh erf erfc expm1 square reciprocal sign floor ceil round".split()
    },
    **{
        name: ([(2, 3)], lambda x, name=name: getattr(torch, name)(x * x + 0.5))
        for name in ["log1p", "log2", "log10"]
    },
    "clamp": ([(2, 3)], lambda x: torch.clamp(x, -0.5, 0.6)),
    "clampBelow": ([(2, 3)], lambda x: torch.clamp(x, max=0.3)),
    "softplus": ([(2, 3)], lambda x: F.softplus(x, 2, 1.5)),
    "leakyRelu": ([(2, 3)], lambda x: F.leaky_relu(x, 0.2)),
    "elu": ([(2, 3)], lambda x: F.elu(x, 0.7)),
    "hardswish": ([(2, 3)], lambda x: F.hardswish(x * 4)),
    "hardsigmoid": ([(2, 3)], lambda x: F.hardsigmoid(x * 4)),
    "mish": ([(2, 3)], F.mish),
    "relu6": ([(2, 3)], lambda x: F.relu6(x * 8)),
    "logSigmoid": ([(2, 3)], F.logsigmoid),
    "nanToNum": ([(2, 3)], lambda x: torch.nan_to_num(x, 0.25)),
    "minimum": ([(2, 3), (3,)], torch.minimum),
    "gather": ([(3, 4)], lambda x: torch.gather(x, 1, torch.tensor([[0, 3], [1, 1], [2, 0]]))),
    "scatter": ([(3, 4), (3, 2)], lambda x, y: torch.scatter(x, 1, torch.tensor([[0, 3], [1, 2], [2, 0]]), y)),
    "scatterAdd": ([(3, 4), (3, 2)], lambda x, y: torch.scatter_add(x, 1, torch.tensor([[0, 3], [1, 1], [2, 0]]), y)),
    "indexSelect": ([(3, 4)], lambda x: torch.index_select(x, 1, I(2, 0, 2))),
    "index": ([(3, 4)], lambda x: x[:, I(1, 1, 3)]),
    "indexAdd": ([(3, 4), (2, 4)], lambda x, y: torch.index_add(x, 0, I(2, 2), y)),
    "maskedFill": ([(3, 4)], lambda x: x.masked_fill(M(x), -7)),
    "maskedSelect": ([(3, 4)], lambda x: torch.masked_select(x, M(x))),
    "takeAlongDim": ([(3, 4)], lambda x: torch.take_along_dim(x, torch.tensor([[1], [0], [3]]), 1)),
    "tril": ([(3, 4)], lambda x: torch.tril(x, 1)),
    "triu": ([(3, 4)], lambda x: torch.triu(x, -1)),
    "diagonal": ([(2, 3, 4)], lambda x: torch.diagonal(x, 1, 1, 2)),
    "flip": ([(2, 3)], lambda x: torch.flip(x, [0, 1])),
    "roll": ([(2, 3)], lambda x: torch.roll(x, [1, 2], [0, 1])),
    "tile": ([(2, 3)], lambda x: x.repeat(2, 1, 3)),
    "repeatInterleave": ([(2, 3)], lambda x: torch.repeat_interleave(x, 2, 1)),
    "cumsum": ([(2, 3)], lambda x: torch.cumsum(x, 1)),
    "cumprod": ([(2, 3)], lambda x: torch.cumprod(x, 1)),
    "logsumexp": ([(2, 3)], lambda x: torch.logsumexp(x, [1], True)),
    "variance": ([(2, 3)], lambda x: torch.var(x)),
    "varianceOfRows": ([(2, 3)], lambda x: torch.var(x, [1], False, True)),
    "std": ([(2, 3)], lambda x: torch.std(x, [0])),
    "norm": ([(2, 3)], lambda x: torch.linalg.vector_norm(x, 3, [1])),
    "prod": ([(2, 3)], torch.prod),
    "prodOfRows": ([(2, 3)], lambda x: torch.prod(x, 1, True)),
    "amax": ([(2, 3)], lambda x: torch.amax(x, [1])),
    "amin": ([(2, 3)], lambda x: torch.amin(x, [0, 1])),
    "max": ([(2, 3)], lambda x: torch.max(x, 1)[0]),
    "min": ([(2, 3)], lambda x: torch.min(x, 1, True)[0]),
    "topk": ([(2, 5)], lambda x: torch.topk(x, 2, 1, False)[0]),
    "sort": ([(2, 3)], lambda x: torch.sort(x, 0, True)[0]),
    "conv1": ([(2, 4, 7), (6, 2, 3), (6,)], lambda x, w, b: F.conv1d(x, w, b, 2, 1, 2, 2)),
    "conv2": ([(1, 2, 5, 6), (3, 2, 2, 3)], lambda x, w: F.conv2d(x, w, None, (1, 2), (0, 1))),
    "conv3": ([(1, 2, 3, 4, 3), (2, 2, 2, 2, 2), (2,)], F.conv3d),
    "convTranspose1": ([(2, 4, 5), (4, 3, 3), (6,)], lambda x, w, b: F.conv_transpose1d(x, w, b, 2, 1, 1, 2)),
    "convTranspose2": ([(1, 2, 3, 3), (2, 3, 2, 2)], lambda x, w: F.conv_transpose2d(x, w, None, 2)),
    "maxPool": ([(1, 2, 4, 6)], lambda x: F.max_pool2d(x, 2)),
    "maxPool1": ([(1, 2, 7)], lambda x: F.max_pool1d(x, 3, 2, 1)),
    "avgPool": ([(1, 2, 4, 6)], lambda x: F.avg_pool2d(x, (2, 3), (2, 1))),
    "adaptiveAvgPool": ([(1, 2, 5, 6)], lambda x: F.adaptive_avg_pool2d(x, (2, 3))),
    "pad": ([(2, 3)], lambda x: F.pad(x, (1, 2, 0, 1), "constant", 5)),
    "nearest": ([(1, 2, 3, 2)], lambda x: F.interpolate(x, (6, 4))),
    "bilinear": ([(1, 2, 3, 2)], lambda x: F.interpolate(x, (5, 4), mode="bilinear")),
    "einsum": ([(2, 3, 4), (2, 4, 5)], lambda x, y: torch.einsum("bij,bjk->bik", x, y)),
    "l1Loss": ([(2, 3), (2, 3)], F.l1_loss),
    "smoothL1Loss": ([(2, 3), (2, 3)], lambda x, y: F.smooth_l1_loss(x, y, beta=0.5, reduction="sum")),
    "huberLoss": ([(2, 3), (2, 3)], lambda x, y: F.huber_loss(x, y, delta=0.5)),
    "nllLoss": ([(3, 4)], lambda x: F.nll_loss(x, I(1, -100, 3))),
    "binaryCrossEntropy": ([(2, 3), (2, 3)], lambda x, y: F.binary_cross_entropy(torch.sigmoid(x), torch.sigmoid(y))),
    "bceWithLogits": ([(2, 3), (2, 3)], lambda x, y: F.binary_cross_entropy_with_logits(x, torch.sigmoid(y), reduction="sum")),
    "klDiv": ([(2, 3), (2, 3)], lambda x, y: F.kl_div(x, torch.sigmoid(y), reduction="sum")),
    "cosineSimilarity": ([(2, 3), (2, 3)], F.cosine_similarity),
    "cosineEmbeddingLoss": ([(2, 3), (2, 3)], lambda x, y: F.cosine_embedding_loss(x, y, I(1, -1), 0.1)),
    "smoothedCrossEntropy": ([(3, 4)], lambda x: F.cross_entropy(x, I(1, 0, 3), label_smoothing=0.1)),
    "batchNorm": ([(3, 2, 4), (2,), (2,)], lambda x, w, b: F.batch_norm(x, None, None, w, b, True)),
    "batchNormRunning": ([(3, 2, 4), (2,), (2,)], lambda x, w, b: F.batch_norm(x, I(0.1, 0.2), I(1.5, 0.5), w, b, False)),
    "groupNorm": ([(2, 4, 3), (4,), (4,)], lambda x, w, b: F.group_norm(x, 2, w, b)),
    "instanceNorm": ([(2, 2, 5)], F.instance_norm),
}


def result(shapes, function):
    inputs = [sine(k, *shape).requires_grad_() for k, shape in enumerate(shapes)]
    output = function(*inputs)
    gradients = torch.autograd.grad(output, inputs, sine(9, *output.shape), allow_unused=True)
    return {
        "shapes": shapes,
        "outputShape": list(output.shape),
        "output": output.flatten().tolist(),
        "gradients": [None if gradient is None else gradient.flatten().tolist() for gradient in gradients],
    }


path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "library.json")
with open(path, "w") as file:
    json.dump({name: result(*case) for name, case in CASES.items()}, file)
    file.write("\n")
