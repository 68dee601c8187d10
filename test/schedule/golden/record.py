"""Records the order of actions of a reference checkout: python3 record.py CHECKOUT > reference-orders.json

Every rank runs the reference's own `step` on one-element tensors, alone: transfers are replaced by fresh
tensors. An order is stored in full where a person may want to read it, else as the first 16 digits of the
SHA-256 of its ranks joined by newlines, actions joined by spaces.
"""

import contextlib
import hashlib
import json
import sys

import torch

sys.path.insert(0, sys.argv[1])
torch.cuda.current_device = lambda: "cpu"

import dualpipe.comm as comm  # noqa: E402
from dualpipe.dualpipe import DualPipe  # noqa: E402
from dualpipe.dualpipev import DualPipeV  # noqa: E402
from dualpipe.utils import WeightGradStore  # noqa: E402

comm.set_p2p_tensor_shapes([(1, 1)])
comm.set_p2p_tensor_dtype(torch.float32)


class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * self.factor


class FakeGroup:
    def __init__(self, rank, size):
        self._rank, self._size = rank, size

    def rank(self):
        return self._rank

    def size(self):
        return self._size


class Recorder:
    def __init__(self, pipe, name_of):
        self.pipe, self.name_of = pipe, name_of
        self.tokens, self.transferred, self.in_pair = [], False, False
        comm.append_irecv = self.receive
        comm.append_isend = self.send
        for method, counter, kind in [
            ("_recv_forward", "current_recv_f_chunk_id", "RECV_F"),
            ("_send_forward", "current_send_f_chunk_id", "SEND_F"),
            ("_recv_backward", "current_recv_b_chunk_id", "RECV_B"),
            ("_send_backward", "current_send_b_chunk_id", "SEND_B"),
        ]:
            self.wrap_transfer(method, counter, kind)
        self.wrap_computations()

    def receive(self, ops, src, group):
        self.transferred = True
        return [torch.ones((1, 1), requires_grad=True)]

    def send(self, ops, tensors, dst, group):
        self.transferred = True

    def wrap_transfer(self, method, counter, kind):
        inner = getattr(self.pipe, method)

        def outer(phase):
            token = self.name_of(phase, kind, getattr(self.pipe, counter))
            self.transferred = False
            inner(phase)
            if self.transferred:
                self.tokens.append(token)

        setattr(self.pipe, method, outer)

    def wrap_computations(self):
        pipe = self.pipe
        forward = pipe._forward_compute_chunk
        backward = pipe._backward_compute_chunk
        pair = pipe._forward_backward_compute_chunk

        def outer_forward(phase):
            if not self.in_pair:
                self.tokens.append(self.name_of(phase, "F", pipe.current_f_chunk_id))
            forward(phase)

        def outer_backward(phase, enable_zb=False):
            if torch.is_grad_enabled() and not self.in_pair:
                self.tokens.append(self.name_of(phase, "I" if enable_zb else "B", pipe.current_b_chunk_id))
            if torch.is_grad_enabled() and enable_zb:
                weight = self.name_of(phase, "W", pipe.current_b_chunk_id)
                WeightGradStore.put(lambda: self.tokens.append(weight))
            backward(phase, enable_zb)

        def outer_pair(phase0, phase1):
            token = self.name_of(phase0, "F", pipe.current_f_chunk_id)
            if torch.is_grad_enabled():
                other = self.name_of(phase1, "B", pipe.current_b_chunk_id)
                token = f"({token};{other})OVERLAP_F_B"
            self.tokens.append(token)
            self.in_pair = True
            pair(phase0, phase1)
            self.in_pair = False

        pipe._forward_compute_chunk = outer_forward
        pipe._backward_compute_chunk = outer_backward
        pipe._forward_backward_compute_chunk = outer_pair


def record_rank(cls, rank, num_ranks, num_chunks, forward_only):
    pipe = cls((Scale(), Scale()), process_group=FakeGroup(rank, num_ranks))
    bidirectional = cls is DualPipe

    def name_of(phase, kind, counters):
        if bidirectional:
            direction = phase ^ (rank >= num_ranks // 2)
            stage = num_ranks - 1 - rank if direction else rank
            micro_batch = counters[direction] + direction * num_chunks // 2
        else:
            stage = 2 * num_ranks - 1 - rank if phase else rank
            micro_batch = counters[phase]
        return f"{stage}{kind}{micro_batch}"

    recorder = Recorder(pipe, name_of)
    feeds = rank == 0 or (bidirectional and rank == num_ranks - 1)
    rows = num_chunks // 2 if bidirectional else num_chunks
    inputs = [torch.ones((rows, 1))] if feeds else []
    criterion = (lambda output: output.sum()) if feeds else None
    with torch.no_grad() if forward_only else contextlib.nullcontext():
        pipe.step(*inputs, num_chunks=num_chunks, criterion=criterion, labels=[])
    return recorder.tokens


def record(cls, num_ranks, num_chunks, forward_only, in_full):
    ranks = [record_rank(cls, rank, num_ranks, num_chunks, forward_only) for rank in range(num_ranks)]
    computations = [[t for t in tokens if "SEND" not in t and "RECV" not in t] for tokens in ranks]

    def store(lists):
        lines = [" ".join(tokens) for tokens in lists]
        return lines if in_full else hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    return {
        "schedule": cls.__name__.lower(),
        "ranks": num_ranks,
        "microBatches": num_chunks,
        "forwardOnly": forward_only,
        "computations": store(computations),
        "withCommunication": store(ranks),
    }


def sizes():
    for num_ranks in (2, 4, 6, 8, 12, 16):
        for extra in [*range(0, 22, 2), 64]:
            yield DualPipe, num_ranks, 2 * num_ranks + extra
    yield DualPipe, 4, 512
    for num_ranks in (1, 2, 3, 4, 5, 6, 7, 8, 12, 16):
        for extra in [*range(0, 13), 63]:
            yield DualPipeV, num_ranks, 2 * num_ranks + extra
    yield DualPipeV, 3, 301


READABLE = {
    (DualPipe, 2, 4), (DualPipe, 4, 8), (DualPipe, 4, 10), (DualPipe, 8, 20),
    (DualPipeV, 1, 2), (DualPipeV, 2, 5), (DualPipeV, 3, 6), (DualPipeV, 4, 10),
}

torch.set_num_threads(1)
lines = []
for cls, num_ranks, num_chunks in sizes():
    for forward_only in (False, True):
        in_full = (cls, num_ranks, num_chunks) in READABLE
        case = record(cls, num_ranks, num_chunks, forward_only, in_full)
        lines.append(json.dumps(case, indent=1 if in_full else None))
print("[\n" + ",\n".join(lines) + "\n]")
