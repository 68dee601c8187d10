#!/usr/bin/env python3
"""Steps of other programs over the same residual MLP blocks, on all cards of the machine, one process a card.

    python3 bench/gpu/peers.py CHECKOUT < WORKLOADS

CHECKOUT is a checkout of the Python DualPipe, or "-" to leave it out. WORKLOADS is the JSON of bench/gpu/workload.ts.
Each line on standard output is the JSON of one result. Measured are the Python DualPipe, the schedules of
torch.distributed.pipelining, one card's share of the work with PyTorch's autograd and without transfers, the kernels of
that share one after another, and its matrix products alone.
"""
import gc
import json
import os
import statistics
import sys
import time

CHECKOUT = sys.argv[1]
sys.path.insert(0, CHECKOUT)

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn as nn
import torch.nn.functional as F

BLOCKS_PER_STAGE = 2
P = torch.cuda.device_count()
SCHEDULES = ("Schedule1F1B", "ScheduleInterleavedZeroBubble", "ScheduleZBVZeroBubble", "ScheduleDualPipeV")


def linear_with_store(store):
    """A linear layer whose weight gradient can be put off, as the Python DualPipe wants it."""

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return F.linear(x, w)

        @staticmethod
        def backward(ctx, dy):
            x, w = ctx.saved_tensors
            if w.grad is None:
                w.grad = torch.zeros_like(w)

            def weight_gradient():
                w.grad.addmm_(dy.flatten(0, -2).T, x.flatten(0, -2))

            store.put(weight_gradient) if store.enabled else weight_gradient()
            return dy @ w, None

    return Function.apply


class Block(nn.Module):
    def __init__(self, h, dtype, linear):
        super().__init__()
        self.linear = linear
        self.w1 = nn.Parameter(torch.randn(4 * h, h, device="cuda", dtype=dtype) * h**-0.5)
        self.w2 = nn.Parameter(torch.randn(h, 4 * h, device="cuda", dtype=dtype) * (4 * h) ** -0.5)

    def forward(self, x):
        return x + self.linear(F.gelu(self.linear(x, self.w1)), self.w2)


def forget_gradients(modules):
    for module in modules:
        for parameter in module.parameters():
            parameter.grad = None


def python_dualpipe(rank, h, seq, dtype, m):
    from dualpipe import DualPipe, set_p2p_tensor_dtype, set_p2p_tensor_shapes
    from dualpipe.utils import WeightGradStore

    set_p2p_tensor_shapes([(1, seq, h)])
    set_p2p_tensor_dtype(dtype)
    linear = linear_with_store(WeightGradStore)
    modules = tuple(nn.Sequential(*[Block(h, dtype, linear) for _ in range(BLOCKS_PER_STAGE)]) for _ in range(2))
    model = DualPipe(modules)
    x = torch.randn(m // 2, seq, h, device="cuda", dtype=dtype)
    labels = torch.randn_like(x)
    is_end = rank in (0, P - 1)

    def step():
        inputs = (x,) if is_end else ()
        criterion = lambda y, t: F.mse_loss(y, t).clone()
        model.step(*inputs, num_chunks=m, criterion=criterion, labels=[labels] if is_end else [])
        forget_gradients(modules)

    return step


def pipelining(rank, h, seq, dtype, m, name):
    import torch.distributed.pipelining.schedules as schedules
    from torch.distributed.pipelining import PipelineStage

    has_several = name != "Schedule1F1B"
    num_stages = 2 * P if has_several else P
    if not has_several:
        indices = [rank]
    elif name in ("ScheduleZBVZeroBubble", "ScheduleDualPipeV"):
        indices = [rank, 2 * P - 1 - rank]
    else:
        indices = [rank, rank + P]
    num_blocks = BLOCKS_PER_STAGE * P // num_stages
    modules = [nn.Sequential(*[Block(h, dtype, F.linear) for _ in range(num_blocks)]) for _ in indices]
    device = torch.device("cuda", rank)
    stages = [PipelineStage(module, i, num_stages, device) for module, i in zip(modules, indices)]
    schedule = getattr(schedules, name)(stages if has_several else stages[0], m, loss_fn=F.mse_loss)
    x = torch.randn(m, seq, h, device="cuda", dtype=dtype)
    labels = torch.randn_like(x)

    def step():
        inputs = [x] if 0 in indices else []
        target = {"target": labels} if num_stages - 1 in indices else {}
        schedule.step(*inputs, **target)
        forget_gradients(modules)

    return step


def share_with_autograd(h, seq, dtype, m):
    modules = [nn.Sequential(*[Block(h, dtype, F.linear) for _ in range(BLOCKS_PER_STAGE)]) for _ in range(2)]
    x = torch.randn(1, seq, h, device="cuda", dtype=dtype)
    dy = torch.randn_like(x)

    def step():
        for i in range(m):
            torch.autograd.backward(modules[i % 2](x.detach().requires_grad_(i % 2 == 1)), dy)
        forget_gradients(modules)

    return step


def kernels(h, seq, dtype, m, only_products):
    """The kernels of one card's share: both stages, half of the micro-batches in each."""
    make = lambda *shape: torch.randn(*shape, device="cuda", dtype=dtype)
    weights = [(make(4 * h, h) * h**-0.5, make(h, 4 * h) * (4 * h) ** -0.5) for _ in range(2 * BLOCKS_PER_STAGE)]
    gradients = [(torch.zeros_like(a), torch.zeros_like(b)) for a, b in weights]
    x0, dy0, wide = make(seq, h), make(seq, h), make(seq, 4 * h)

    def forward(x, w1, w2):
        u = torch.mm(x, w1.t())
        a = wide if only_products else F.gelu(u)
        y = torch.mm(a, w2.t())
        return (x, u, a), (y if only_products else y.add_(x))

    def backward(dy, saved, w1, w2, dw1, dw2, is_first):
        x, u, a = saved
        dw2.addmm_(dy.t(), a)
        da = torch.mm(dy, w2)
        du = wide if only_products else torch.ops.aten.gelu_backward(da, u)
        dw1.addmm_(du.t(), x)
        if is_first:
            return None
        dx = torch.mm(du, w1)
        return dx if only_products else dx.add_(dy)

    def step():
        for i in range(m):
            stage = i % 2
            blocks = range(BLOCKS_PER_STAGE * stage, BLOCKS_PER_STAGE * (stage + 1))
            x, saved = x0, []
            for block in blocks:
                kept, x = forward(x, *weights[block])
                saved.append(kept)
            dy = dy0
            for block in reversed(blocks):
                dy = backward(dy, saved.pop(), *weights[block], *gradients[block], block == 0)

    return step


def measure(step, num_warm_up_steps, num_steps):
    """From the first rank's start to the last rank's end."""
    spans = []
    for _ in range(num_warm_up_steps + num_steps):
        torch.cuda.synchronize()
        dist.barrier()
        torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        torch.cuda.synchronize()
        spans.append((start, time.perf_counter()))
    spans = spans[num_warm_up_steps:]
    ranks = [None] * P
    dist.all_gather_object(ranks, spans)
    times = [max(s[i][1] for s in ranks) - min(s[i][0] for s in ranks) for i in range(num_steps)]
    return 1e3 * statistics.median(times)


def measure_all(rank, workload):
    h, seq, m = workload["hidden"], workload["sequence"], workload["numMicroBatches"]
    dtype = getattr(torch, workload["dtype"])
    shape = (h, seq, dtype, m)
    makers = {}
    if CHECKOUT != "-":
        makers["the Python DualPipe"] = lambda: python_dualpipe(rank, *shape)
    for name in SCHEDULES:
        makers[f"torch.distributed.pipelining, {name}"] = lambda name=name: pipelining(rank, *shape, name)
    makers["one card's share, PyTorch's autograd, no transfers"] = lambda: share_with_autograd(*shape)
    makers["the same kernels one after another"] = lambda: kernels(*shape, False)
    makers["the matrix products alone"] = lambda: kernels(*shape, True)
    for name, make in makers.items():
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        with torch.set_grad_enabled(name not in ("the same kernels one after another", "the matrix products alone")):
            warm_up = min(workload["numWarmUpSteps"], 20)
            ms = measure(make(), warm_up, workload["numSteps"])
        peak = torch.tensor(float(torch.cuda.max_memory_allocated()), device="cuda", dtype=torch.float64)
        dist.all_reduce(peak, dist.ReduceOp.MAX)
        if rank == 0:
            print(json.dumps({"program": name, "medianMs": ms, "peakBytes": peak.item()}), flush=True)


def main(rank, workloads):
    torch.cuda.set_device(rank)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29711", RANK=str(rank), WORLD_SIZE=str(P))
    dist.init_process_group("nccl", device_id=torch.device("cuda", rank))
    torch.manual_seed(rank)
    for workload in workloads:
        if rank == 0:
            print(json.dumps({"workload": workload, "torch": torch.__version__}), flush=True)
        measure_all(rank, workload)
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(main, args=(json.load(sys.stdin),), nprocs=P)
