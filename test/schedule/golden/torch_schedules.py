"""Exchanges schedules with torch.distributed.pipelining (written against torch 2.13).

record > torch-schedules.json   every schedule of torch as CSV, computations and lowered
check FOLDER                    loads and validates our files there, NAME.RANKS.MICROBATCHES[.lowered].csv
"""

import json
import pathlib
import sys
import tempfile

import torch.distributed.pipelining.schedules as schedules
from torch.distributed.pipelining._utils import generate_stage_to_rank_mapping
from torch.distributed.pipelining.stage import _PipelineStageBase


class NoStage(_PipelineStageBase):
    """A place in a pipeline without a model, which is all that an order of actions depends on."""

    def __init__(self, stage_index, num_stages, group_rank, group_size):
        self.stage_index, self.num_stages = stage_index, num_stages
        self.group_rank, self.group_size = group_rank, group_size
        self.submod = None
        self.has_backward = True

    def _prepare_forward_infra(self, *args, **kwargs): ...

    def _prepare_backward_infra(self, *args, **kwargs): ...

    def _create_grad_recv_info(self, *args, **kwargs): ...


def stages_of(rank, num_ranks, num_stages, style):
    mapping = generate_stage_to_rank_mapping(num_ranks, num_stages, style=style)
    return [NoStage(s, num_stages, rank, num_ranks) for s in range(num_stages) if mapping[s] == rank]


def dump(schedule, kind):
    with tempfile.NamedTemporaryFile("r", suffix=".csv") as file:
        schedule._dump_csv(file.name, format=kind)
        return file.read()


MULTI = [
    ("LoopedBFS", schedules.ScheduleLoopedBFS, "loop", (1, 2)),
    ("Interleaved1F1B", schedules.ScheduleInterleaved1F1B, "loop", (2, 3)),
    ("InterleavedZeroBubble", schedules.ScheduleInterleavedZeroBubble, "loop", (1, 2)),
    ("ZBVZeroBubble", schedules.ScheduleZBVZeroBubble, "v", (2,)),
    ("DualPipeV", schedules.ScheduleDualPipeV, "v", (2,)),
]


def record():
    loss = lambda output, target: output
    for name, cls in (("GPipe", schedules.ScheduleGPipe), ("1F1B", schedules.Schedule1F1B)):
        for num_ranks in (1, 2, 4):
            for num_micro_batches in (num_ranks, 3 * num_ranks):
                if name == "1F1B" and num_micro_batches < num_ranks:
                    continue
                single = cls.__new__(cls)
                single._num_stages, single._n_microbatches = num_ranks, num_micro_batches
                order = single._get_pipeline_order()
                rows = [",".join("" if a is None else str(a) for a in order[r]) for r in range(num_ranks)]
                yield {"schedule": name, "ranks": num_ranks, "stages": num_ranks,
                       "microBatches": num_micro_batches, "computations": "\r\n".join(rows) + "\r\n"}
    for name, cls, style, stages_per_rank in MULTI:
        for num_ranks in (2, 4):
            for per_rank in stages_per_rank:
                num_stages, num_micro_batches = per_rank * num_ranks, 2 * num_ranks + (style == "v")
                schedule = cls(stages_of(0, num_ranks, num_stages, style), num_micro_batches, loss_fn=loss)
                yield {"schedule": name, "ranks": num_ranks, "stages": num_stages,
                       "microBatches": num_micro_batches, "computations": dump(schedule, "compute_only"),
                       "withCommunication": dump(schedule, "compute_comms")}


def check(folder):
    for path in sorted(pathlib.Path(folder).glob("*.csv")):
        name, num_ranks, num_micro_batches, *lowered = path.name.removesuffix(".csv").split(".")
        num_ranks, num_micro_batches = int(num_ranks), int(num_micro_batches)
        style = "v" if name in ("zbv", "dualpipev") else "loop"
        num_stages = num_ranks * (2 if name in ("zbv", "dualpipev", "interleaved") else 1)
        runtime = schedules._PipelineScheduleRuntime(
            stages_of(0, num_ranks, num_stages, style), num_micro_batches, loss_fn=lambda o, t: o)
        runtime.stage_index_to_group_rank = generate_stage_to_rank_mapping(num_ranks, num_stages, style=style)
        runtime._load_csv(path, format="compute_comms" if lowered else "compute_only")
        order = runtime.pipeline_order_with_comms
        schedules._validate_schedule(
            {r: [a for a in order[r] if a.is_compute_op] for r in order}, num_ranks, num_stages, num_micro_batches)
        # torch's simulation has no pairs, and stops its ranks at a RECV, where its runtime and ours go on.
        simulates = not lowered and not any(a.sub_actions for r in order for a in order[r])
        if simulates:
            sharding = ("UNSHARD", "RESHARD", "REDUCE_GRAD")
            moves = {r: [a for a in order[r] if a.computation_type.value not in sharding] for r in order}
            schedules._simulate_comms_compute(moves, lambda s: runtime.stage_index_to_group_rank[s], num_stages)
        print("loaded", "and simulated" if simulates else "", path.name)


if sys.argv[1] == "record":
    print("[\n" + ",\n".join(json.dumps(case) for case in record()) + "\n]")
else:
    check(sys.argv[2])
