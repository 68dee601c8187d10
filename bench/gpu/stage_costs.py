"""Times the stages of a GPT on a card with PyTorch, and prints them in milliseconds.

bfloat16, hidden 4096, sequence 4096, micro-batch 1, vocabulary 50257, 8 blocks in 4 stages; the first has the
embedding, the last one the head and the loss. I is the gradient of the input alone, B the whole backward, and W the
difference. The link is a copy of an activation to a second card. Medians of 20, after 5 to warm up.
"""

import json
import statistics

import torch
from torch import nn
from torch.nn import functional as F

HIDDEN, LENGTH, VOCABULARY, HEADS = 4096, 4096, 50257, 32


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(HIDDEN), nn.LayerNorm(HIDDEN)])
        self.qkv, self.out = nn.Linear(HIDDEN, 3 * HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.up, self.down = nn.Linear(HIDDEN, 4 * HIDDEN), nn.Linear(4 * HIDDEN, HIDDEN)

    def forward(self, x):
        shape = (*x.shape[:2], HEADS, HIDDEN // HEADS)
        q, k, v = (t.view(shape).transpose(1, 2) for t in self.qkv(self.norms[0](x)).split(HIDDEN, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(x.shape))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


def timed(run):
    times = []
    for _ in range(25):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        run(start, end)
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times[5:])


def costs_of(stage, is_first, is_last):
    tokens = torch.randint(VOCABULARY, (1, LENGTH), device="cuda")
    x = torch.randn(1, LENGTH, HIDDEN, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    weights = list(stage.parameters())

    def output():
        y = stage(tokens if is_first else x)
        return F.cross_entropy(y.flatten(0, 1).float(), tokens.flatten()) if is_last else y

    def forward(start, end):
        start.record()
        output()
        end.record()

    def backward(inputs):
        def run(start, end):
            y = output()
            gradient = torch.ones_like(y)
            start.record()
            torch.autograd.grad(y, inputs, gradient)
            end.record()
        return run

    whole = timed(backward(weights if is_first else [x, *weights]))
    # The first stage has no input gradient to give; its W is what the others' W are a part of.
    part = timed(backward([x])) if not is_first else whole / 2
    return {"F": timed(forward), "I": part, "W": max(0.0, whole - part), "B": whole}


def main():
    costs = []
    for index in range(4):
        first = [nn.Embedding(VOCABULARY, HIDDEN)] if index == 0 else []
        last = [nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, VOCABULARY)] if index == 3 else []
        stage = nn.Sequential(*first, Block(), Block(), *last).cuda().bfloat16()
        costs.append(costs_of(stage, index == 0, index == 3))
    here = torch.randn(1, LENGTH, HIDDEN, device="cuda:0", dtype=torch.bfloat16)
    there = torch.empty_like(here, device="cuda:1")

    def copy(start, end):
        start.record()
        there.copy_(here)
        end.record()

    print(json.dumps(costs), timed(copy), torch.cuda.get_device_name(), torch.__version__)


main()
