"""Times training steps of the reference implementation of DualPipe, in Python, on CPU processes connected by Gloo.

Reads a workload as JSON from the first argument and the path of a checkout of the reference from the second; prints
one line of JSON. Models, data and seeds are those of the other programs in this folder.
"""

import json
import os
import sys
import tempfile
import time

import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F

INPUTS_SEED = 1000
TARGETS_SEED = 2000


class SplitLinearFunction(torch.autograd.Function):
    """A linear layer whose weight gradient can be put off into the reference's store."""

    @staticmethod
    def forward(ctx, rows, weight):
        ctx.save_for_backward(rows, weight)
        return F.linear(rows, weight)

    @staticmethod
    def backward(ctx, grad_output):
        from dualpipe import WeightGradStore

        rows, weight = ctx.saved_tensors

        def add_weight_grad():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            weight.grad += grad_output.flatten(0, -2).t() @ rows.flatten(0, -2)

        if WeightGradStore.enabled:
            WeightGradStore.put(add_weight_grad)
        else:
            add_weight_grad()
        return grad_output @ weight, None


class SplitLinear(nn.Linear):
    def forward(self, rows):
        return SplitLinearFunction.apply(rows, self.weight)


def make_stage(configuration, index):
    torch.manual_seed(index)
    hidden = configuration["hidden"]
    layers = []
    for _ in range(configuration["numBlocks"]):
        layers += [SplitLinear(hidden, 4 * hidden, bias=False), nn.GELU(), SplitLinear(4 * hidden, hidden, bias=False)]
    return nn.Sequential(*layers)


def make_half(configuration, seed):
    torch.manual_seed(seed)
    num_rows = configuration["numMicroBatches"] // 2 * configuration["microBatchSize"]
    return torch.randn(num_rows, configuration["sequence"], configuration["hidden"])


def use_cpu(comm):
    """Makes the reference, which requires CUDA, keep its tensors on the CPU."""

    def empty_on_cpu():
        return [torch.empty(shape, dtype=comm.TENSOR_DTYPE, requires_grad=True) for shape in comm.TENSOR_SHAPES]

    torch.cuda.current_device = lambda: "cpu"
    comm.build_from_tensor_shapes = empty_on_cpu


def sum_with_mirror(modules, mirror):
    """Adds the gradients of the process that holds the same stages, which the reference leaves to its user."""
    ours = [p.grad for p in modules[0].parameters()] + [p.grad for p in modules[1].parameters()]
    theirs_first = [torch.empty_like(p) for p in modules[1].parameters()]
    theirs_second = [torch.empty_like(p) for p in modules[0].parameters()]
    ops = [dist.P2POp(dist.isend, grad, mirror) for grad in ours]
    ops += [dist.P2POp(dist.irecv, grad, mirror) for grad in theirs_first + theirs_second]
    for request in dist.batch_isend_irecv(ops):
        request.wait()
    for grad, other in zip(ours, theirs_second + theirs_first):
        grad += other


def now_ms():
    return time.monotonic_ns() / 1e6


def run_rank(rank, workload, checkout, folder):
    sys.path.insert(0, checkout)
    import dualpipe
    import dualpipe.comm as comm

    configuration = workload["configuration"]
    num_ranks = configuration["numRanks"]
    torch.set_num_threads(1)
    use_cpu(comm)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=num_ranks)
    shape = (configuration["microBatchSize"], configuration["sequence"], configuration["hidden"])
    dualpipe.set_p2p_tensor_shapes([shape])
    dualpipe.set_p2p_tensor_dtype(torch.float32)
    modules = (make_stage(configuration, rank), make_stage(configuration, num_ranks - 1 - rank))
    pipe = dualpipe.DualPipe(modules)
    end = {0: 0, num_ranks - 1: 1}.get(rank)
    inputs = None if end is None else make_half(configuration, INPUTS_SEED + end)
    labels = None if end is None else make_half(configuration, TARGETS_SEED + 1 - end)

    spans, spans_with_sum, loss = [], [], None
    num_warm_up = workload["counts"]["numWarmUpSteps"]
    for i in range(num_warm_up + workload["counts"]["numSteps"]):
        for parameter in pipe.parameters():
            parameter.grad = None
        dist.barrier()
        start = now_ms()
        loss, _ = pipe.step(
            inputs, num_chunks=configuration["numMicroBatches"], criterion=F.mse_loss, labels=(labels,)
        )
        end_of_step = now_ms()
        sum_with_mirror(modules, num_ranks - 1 - rank)
        if i >= num_warm_up:
            spans.append({"startMs": start, "endMs": end_of_step})
            spans_with_sum.append({"startMs": start, "endMs": now_ms()})
    losses = [] if loss is None else loss.tolist()
    with open(result_path(folder, rank), "w") as file:
        json.dump({"spans": spans, "spansWithSum": spans_with_sum, "losses": losses}, file)


def result_path(folder, rank):
    return os.path.join(folder, f"rank-{rank}.json")


def main():
    workload = json.loads(sys.argv[1])
    checkout = os.path.abspath(sys.argv[2])
    num_ranks = workload["configuration"]["numRanks"]
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(run_rank, args=(workload, checkout, folder), nprocs=num_ranks)
        ranks = []
        for rank in range(num_ranks):
            with open(result_path(folder, rank)) as file:
                ranks.append(json.load(file))
    print(json.dumps({"torchVersion": torch.__version__, "ranks": ranks}))


if __name__ == "__main__":
    main()
