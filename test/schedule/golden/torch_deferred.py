"""Trains with torch.distributed.pipelining on the CPU, over Gloo, and compares the gradients with a sequential model.

python3 torch_deferred.py     prints, for each schedule and size, the largest relative error of a gradient

With `defer_pp_recv` (torch 2.13) receives are posted as late as possible. Where that changes their order within a pair
of ranks, and verify says "channel-order", a rank takes an activation for a gradient, and no error says so.
"""

import copy
import datetime
import sys

import torch
import torch.distributed as dist
import torch.distributed.pipelining.schedules as schedules
import torch.multiprocessing as multiprocessing
from torch.distributed.pipelining import PipelineStage
from torch.distributed.pipelining._utils import generate_stage_to_rank_mapping

WIDTH = 8
CASES = [
    (name, num_ranks, num_micro_batches, is_deferred)
    for num_ranks, num_micro_batches in ((2, 4), (4, 8))
    for name in ("LoopedBFS", "Interleaved1F1B", "InterleavedZeroBubble", "ZBVZeroBubble", "DualPipeV")
    for is_deferred in (False, True)
]


def loss_of(output, target):
    return ((output - target) ** 2).sum()


def train(rank, port, case, errors):
    name, num_ranks, num_micro_batches, is_deferred = case
    address, limit = f"tcp://127.0.0.1:{port}", datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=num_ranks, timeout=limit)
    torch.manual_seed(0)
    num_stages = 2 * num_ranks
    layers = [torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH), torch.nn.Tanh()) for _ in range(num_stages)]
    sequential = copy.deepcopy(torch.nn.Sequential(*layers))
    inputs, targets = torch.randn(2, 4 * num_micro_batches, WIDTH)
    for part, target in zip(inputs.chunk(num_micro_batches), targets.chunk(num_micro_batches)):
        loss_of(sequential(part), target).backward()
    style = "v" if name in ("ZBVZeroBubble", "DualPipeV") else "loop"
    mapping = generate_stage_to_rank_mapping(num_ranks, num_stages, style=style)
    mine = [stage for stage in range(num_stages) if mapping[stage] == rank]
    stages = [PipelineStage(layers[stage], stage, num_stages, torch.device("cpu")) for stage in mine]
    cls = getattr(schedules, f"Schedule{name}")
    schedule = cls(stages, num_micro_batches, loss_fn=loss_of, scale_grads=False, defer_pp_recv=is_deferred)
    schedule.step(*([inputs] if 0 in mine else []), target=targets if num_stages - 1 in mine else None)
    pairs = [pair for s in mine for pair in zip(layers[s].parameters(), sequential[s].parameters())]
    errors[rank] = max(((a.grad - b.grad).abs().max() / b.grad.abs().max()).item() for a, b in pairs)
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("torch", torch.__version__)
    for number, case in enumerate(CASES):
        errors = torch.zeros(case[1]).share_memory_()
        multiprocessing.start_processes(train, (29600 + number, case, errors), nprocs=case[1], start_method="fork")
        name, num_ranks, num_micro_batches, is_deferred = case
        kind = "deferred" if is_deferred else "as it is"
        print(f"{name}, {num_ranks} ranks, {num_micro_batches} micro-batches, {kind}: {errors.max().item():.1e}")
        sys.stdout.flush()
