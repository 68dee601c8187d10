"""Times forward and backward per node of chains of one operation, in PyTorch. Prints one line of JSON per request.

Reads requests from standard input: one line with the name of an operation. The shapes and the lengths of the chains are
those of nodes.ts.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
NUM_NODES = 2000
eye = torch.eye(4, requires_grad=True)
kernel = torch.randn(4, 4, 3, 3, requires_grad=True)
CHAINS = {
    "neg": ((4, 4), torch.neg),
    "sin": ((4, 4), torch.sin),
    "linear": ((4, 4), lambda x: F.linear(x, eye)),
    "conv2d": ((1, 4, 4, 4), lambda x: F.conv2d(x, kernel, padding=1)),
}


def measure(shape, operation):
    x = torch.ones(shape, requires_grad=True)
    gradient = torch.ones(shape)
    start = time.perf_counter_ns()
    h = x
    for _ in range(NUM_NODES):
        h = operation(h)
    middle = time.perf_counter_ns()
    h.backward(gradient)
    end = time.perf_counter_ns()
    return {"forwardNs": (middle - start) / NUM_NODES, "backwardNs": (end - middle) / NUM_NODES}


print(json.dumps({"version": torch.__version__}), flush=True)
for line in sys.stdin:
    print(json.dumps(measure(*CHAINS[line.strip()])), flush=True)
