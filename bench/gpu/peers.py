#!/usr/bin/env python3
"""Steps of other programs over the same models, on all cards of the machine, one process a card.

    python3 bench/gpu/peers.py CHECKOUT < WORKLOADS

CHECKOUT is a checkout of the Python DualPipe, or "-" to leave it out. WORKLOADS is the JSON of bench/gpu/workload.ts.
Each line on standard output is the JSON of one result. Measured are the Python DualPipe, the schedules of
torch.distributed.pipelining, one card's share of the work with PyTorch's autograd and without transfers and, of the
MLP blocks, the kernels of that share one after another, and its matrix products alone.
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

P = torch.cuda.device_count()
SCHEDULES = ("Schedule1F1B", "ScheduleInterleavedZeroBubble", "ScheduleZBVZeroBubble", "ScheduleDualPipeV")
GPT_VOCAB_SIZE, GPT_HEAD_SIZE = 50304, 128


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


class MlpModel:
    """Residual MLP blocks, all micro-batches drawn at random."""

    def __init__(self, w):
        self.shape = (w["microBatchSize"], w["sequence"], w["hidden"])
        self.dtype, self.num_blocks = getattr(torch, w["dtype"]), w["numLayersPerCard"]
        self.loss = F.mse_loss

    def stage(self, i, num_stages, linear):
        num_blocks = self.num_blocks * P // num_stages
        return nn.Sequential(*[Block(self.shape[-1], self.dtype, linear) for _ in range(num_blocks)])

    def batch(self, m):
        return torch.randn(m * self.shape[0], *self.shape[1:], device="cuda", dtype=self.dtype)

    labels = batch


class GptBlock(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.heads = h // GPT_HEAD_SIZE
        self.n1, self.n2 = nn.LayerNorm(h), nn.LayerNorm(h)
        self.qkv, self.o, self.up, self.down = nn.Linear(h, 3 * h), nn.Linear(h, h), nn.Linear(h, 4 * h), nn.Linear(4 * h, h)

    def forward(self, x):
        b, t, h = x.shape
        q, k, v = self.qkv(self.n1(x)).view(b, t, 3, self.heads, GPT_HEAD_SIZE).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, h)
        x = x + self.o(y)
        return x + self.down(F.gelu(self.up(self.n2(x)), approximate="tanh"))


class GptStage(nn.Module):
    def __init__(self, h, seq, num_layers, is_first, is_last):
        super().__init__()
        self.is_first, self.is_last = is_first, is_last
        if is_first:
            self.tokens, self.positions = nn.Embedding(GPT_VOCAB_SIZE, h), nn.Embedding(seq, h)
        self.blocks = nn.ModuleList(GptBlock(h) for _ in range(num_layers))
        if is_last:
            self.norm, self.head = nn.LayerNorm(h), nn.Linear(h, GPT_VOCAB_SIZE, bias=False)

    def forward(self, x):
        if self.is_first:
            x = self.tokens(x) + self.positions(torch.arange(x.shape[1], device=x.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)) if self.is_last else x


class GptModel:
    def __init__(self, w):
        self.shape = (w["microBatchSize"], w["sequence"], w["hidden"])
        self.dtype, self.num_layers = getattr(torch, w["dtype"]), w["numLayersPerCard"] * P

    def stage(self, i, num_stages, linear):
        _, seq, h = self.shape
        with torch.device("cuda"):
            return GptStage(h, seq, self.num_layers // num_stages, i == 0, i == num_stages - 1).to(self.dtype)

    def batch(self, m):
        return torch.randint(GPT_VOCAB_SIZE, (m * self.shape[0], self.shape[1]), device="cuda")

    labels = batch

    @staticmethod
    def loss(y, t):
        return F.cross_entropy(y.float().view(-1, GPT_VOCAB_SIZE), t.reshape(-1))


def python_dualpipe(rank, model, m):
    from dualpipe import DualPipe, set_p2p_tensor_dtype, set_p2p_tensor_shapes
    from dualpipe.utils import WeightGradStore

    set_p2p_tensor_shapes([model.shape])
    set_p2p_tensor_dtype(model.dtype)
    linear = linear_with_store(WeightGradStore)
    modules = tuple(model.stage(i, P, linear) for i in (rank, P - 1 - rank))
    dualpipe = DualPipe(modules)
    x, labels = model.batch(m // 2), model.labels(m // 2)
    is_end = rank in (0, P - 1)

    def step():
        inputs = (x,) if is_end else ()
        # The reference detaches the loss, which must not be a view.
        criterion = lambda y, t: model.loss(y, t).clone()
        dualpipe.step(*inputs, num_chunks=m, criterion=criterion, labels=[labels] if is_end else [])
        forget_gradients(modules)

    return step


def pipelining(rank, model, m, name):
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
    modules = [model.stage(i, num_stages, F.linear) for i in indices]
    device = torch.device("cuda", rank)
    stages = [PipelineStage(module, i, num_stages, device) for module, i in zip(modules, indices)]
    schedule = getattr(schedules, name)(stages if has_several else stages[0], m, loss_fn=model.loss)
    x, labels = model.batch(m), model.labels(m)

    def step():
        inputs = [x] if 0 in indices else []
        target = {"target": labels} if num_stages - 1 in indices else {}
        schedule.step(*inputs, **target)
        forget_gradients(modules)

    return step


def share_with_autograd(model, m):
    """Both stages of one of DualPipe's ranks, each with half of the micro-batches."""
    modules = [model.stage(i, P, F.linear) for i in (0, P - 1)]
    x, labels = model.batch(1), model.labels(1)
    edge = torch.randn(model.shape, device="cuda", dtype=model.dtype, requires_grad=True)
    dy = torch.randn_like(edge)

    def step():
        for _ in range(m // 2):
            modules[0](x).backward(dy)
            model.loss(modules[1](edge), labels).backward()
        edge.grad = None
        forget_gradients(modules)

    return step


def kernels(h, seq, dtype, m, only_products):
    """The kernels of one card's share: both stages, half of the micro-batches in each, two blocks a stage."""
    make = lambda *shape: torch.randn(*shape, device="cuda", dtype=dtype)
    weights = [(make(4 * h, h) * h**-0.5, make(h, 4 * h) * (4 * h) ** -0.5) for _ in range(4)]
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
            blocks = range(2 * stage, 2 * (stage + 1))
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


def measure_all(rank, w):
    m, is_mlp = w["numMicroBatches"], w["model"] == "mlp"
    model = MlpModel(w) if is_mlp else GptModel(w)
    makers = {}
    if CHECKOUT != "-":
        makers["the Python DualPipe"] = lambda: python_dualpipe(rank, model, m)
    for name in SCHEDULES:
        if name == "ScheduleInterleavedZeroBubble" and m % P != 0:
            continue
        makers[f"torch.distributed.pipelining, {name}"] = lambda name=name: pipelining(rank, model, m, name)
    makers["one card's share, PyTorch's autograd, no transfers"] = lambda: share_with_autograd(model, m)
    without_autograd = {}
    if is_mlp:
        shape = (w["hidden"], w["sequence"], model.dtype, m)
        without_autograd["the same kernels one after another"] = lambda: kernels(*shape, False)
        without_autograd["the matrix products alone"] = lambda: kernels(*shape, True)
    for name, make in {**makers, **without_autograd}.items():
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        with torch.set_grad_enabled(name in makers):
            ms = measure(make(), min(w["numWarmUpSteps"], 20), w["numSteps"])
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
