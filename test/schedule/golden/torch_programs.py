"""Records what the runtime of torch.distributed.pipelining posts, by running it on stages that only write down calls.

python3 torch_programs.py > torch-programs-VERSION.json

Needs torch alone: no process group, no GPU. For each rank of each program, the file has the steps in their order:
2F7          a computation; F, I, W and B as in the schedule's own notation
2SEND_F7     a transfer that goes to isend or irecv by itself
[A;B]        transfers of one batch_isend_irecv, in their order
?2RECV_F7    the following computations wait for this transfer
What torch's version decides is recorded with it: the order, what is batched, and what is waited for.
"""

import inspect
import json
import sys
import types

import torch
import torch.distributed as dist
import torch.distributed.pipelining.schedules as schedules
from torch.distributed.pipelining._utils import generate_stage_to_rank_mapping
from torch.distributed.pipelining.stage import _PipelineStageBase

# Ranks and micro-batches.
SIZES = [(2, 4), (4, 8), (4, 12), (8, 16)]
SINGLE = [("GPipe", schedules.ScheduleGPipe), ("1F1B", schedules.Schedule1F1B)]
MULTI = [
    ("LoopedBFS", schedules.ScheduleLoopedBFS, "loop"),
    ("Interleaved1F1B", schedules.ScheduleInterleaved1F1B, "loop"),
    ("InterleavedZeroBubble", schedules.ScheduleInterleavedZeroBubble, "loop"),
    ("ZBVZeroBubble", schedules.ScheduleZBVZeroBubble, "v"),
    ("DualPipeV", schedules.ScheduleDualPipeV, "v"),
]

steps = []


class Work:
    def __init__(self, names):
        self.names = names

    def wait(self, *_):
        steps.extend("?" + name for name in self.names)


def post_alone(tensor, *args, **kwargs):
    steps.append(tensor)
    return Work([tensor])


# Two functions, because torch compares an operation's function with these.
def isend(tensor, *args, **kwargs):
    return post_alone(tensor)


def irecv(tensor, *args, **kwargs):
    return post_alone(tensor)


def batch_isend_irecv(ops):
    names = [op.tensor for op in ops]
    steps.append("[" + ";".join(names) + "]")
    return [Work(names)]


dist.isend, dist.irecv, dist.batch_isend_irecv = isend, irecv, batch_isend_irecv


def operation(function, name, peer):
    """A P2POp with its name for a tensor."""
    return types.SimpleNamespace(op=function, tensor=name, group=None, tag=0, peer=peer, group_peer=peer)


class Recorder(_PipelineStageBase):
    """A stage without a model that writes down what it is told to do."""

    def __init__(self, stage_index, num_stages, mapping, num_ranks):
        self.stage_index, self.num_stages, self.mapping = stage_index, num_stages, mapping
        self.group_rank, self.group_size = mapping[stage_index], num_ranks
        self.group, self.submod, self.output_chunks = None, None, []
        self.has_backward = True

    def _prepare_forward_infra(self, *args, **kwargs): ...

    def _prepare_backward_infra(self, *args, **kwargs): ...

    def _create_grad_recv_info(self, *args, **kwargs): ...

    def clear_runtime_states(self): ...

    def perform_reduce_grad(self, *args): ...

    def scale_grads(self, *args): ...

    def set_local_fwd_input(self, *args): ...

    def set_local_bwd_input(self, *args): ...

    def get_local_bwd_output(self, *args): ...

    def _transfer(self, function, kind, offset, micro_batch):
        peer = self.stage_index + offset
        if not 0 <= peer < self.num_stages:
            return []
        return [operation(function, f"{self.stage_index}{kind}{micro_batch}", self.mapping[peer])]

    def get_fwd_recv_ops(self, micro_batch):
        return self._transfer(dist.irecv, "RECV_F", -1, micro_batch)

    def get_fwd_send_ops(self, micro_batch):
        return self._transfer(dist.isend, "SEND_F", 1, micro_batch)

    def get_bwd_recv_ops(self, micro_batch):
        return self._transfer(dist.irecv, "RECV_B", 1, micro_batch)

    def get_bwd_send_ops(self, micro_batch):
        return self._transfer(dist.isend, "SEND_B", -1, micro_batch)

    def forward_one_chunk(self, micro_batch, *args, **kwargs):
        steps.append(f"{self.stage_index}F{micro_batch}")

    def backward_one_chunk(self, micro_batch, loss=None, full_backward=True, **kwargs):
        steps.append(f"{self.stage_index}{'B' if full_backward else 'I'}{micro_batch}")

    def backward_weight_one_chunk(self, micro_batch, *args, **kwargs):
        steps.append(f"{self.stage_index}W{micro_batch}")


def run(schedule, num_micro_batches):
    """The steps of one call of the schedule."""
    for name in ("_initialize_stage", "_initialize_stages", "_maybe_compute_loss", "_maybe_get_loss", "_update_losses"):
        setattr(schedule, name, lambda *args: None)
    steps.clear()
    inputs = [() for _ in range(num_micro_batches)], [{} for _ in range(num_micro_batches)]
    schedule._step_microbatches(*inputs, [None] * num_micro_batches, None)
    return " ".join(steps)


def program(name, num_ranks, num_stages, style, num_micro_batches, make):
    """The steps of every rank; torch decides about each rank by itself."""
    mapping = generate_stage_to_rank_mapping(num_ranks, num_stages, style=style)
    ranks = []
    for rank in range(num_ranks):
        stages = [Recorder(s, num_stages, mapping, num_ranks) for s in range(num_stages) if mapping[s] == rank]
        ranks.append(run(make(stages), num_micro_batches))
    return {"schedule": name, "ranks": num_ranks, "stages": num_stages, "microBatches": num_micro_batches,
            "steps": ranks}


def record():
    options = {"loss_fn": lambda output, target: output}
    for num_ranks, num_micro_batches in SIZES:
        sizes = (num_ranks, num_micro_batches)
        for name, cls in SINGLE:
            make = lambda stages: cls(stages[0], num_micro_batches, **options)
            yield program(name, num_ranks, num_ranks, "loop", num_micro_batches, make)
        for name, cls, style in MULTI:
            make = lambda stages: cls(stages, num_micro_batches, **options)
            yield program(name, num_ranks, 2 * num_ranks, style, num_micro_batches, make)
            # Newer versions can post receives as late as possible. Small sizes show what that does.
            if sizes in SIZES[:2] and "defer_pp_recv" in inspect.signature(cls).parameters:
                late = lambda stages: cls(stages, num_micro_batches, defer_pp_recv=True, **options)
                yield program(name + ", deferred", num_ranks, 2 * num_ranks, style, num_micro_batches, late)


if __name__ == "__main__":
    json.dump({"torch": torch.__version__, "programs": list(record())}, sys.stdout, indent=0)
    print()
