"""Writes optimizers.json: steps of PyTorch's optimizers and learning rates of its schedulers, in float64.

python3 test/optim/golden/optimizers.py > test/optim/golden/optimizers.json    (PyTorch 1.13)
"""

import json

import torch
from torch.optim import lr_scheduler

WEIGHTS = [[1.0, -2.0, 0.5, 3.0], [0.25, -0.125]]
NUM_STEPS = 12


def gradients(step):
    """The second parameter has no gradient in every third step."""
    first = [0.1 * (step + 1), -0.2, 0.3 * (-1) ** step, -0.4 / (step + 1)]
    second = None if step % 3 == 1 else [0.05 * step, -0.01 * (step - 4)]
    return [first, second]


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al., 2023 (arXiv 2302.06675)."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = torch.sign(beta1 * m + (1 - beta1) * p.grad)
                p.sub_(lr * (update + decay * p))
                m.mul_(beta2).add_(p.grad, alpha=1 - beta2)


OPTIMIZERS = [
    ("Adam", torch.optim.Adam, {}),
    ("Adam", torch.optim.Adam, {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.2}),
    ("RMSprop", torch.optim.RMSprop, {}),
    ("RMSprop", torch.optim.RMSprop, {"lr": 0.05, "alpha": 0.9, "eps": 1e-2, "weight_decay": 0.1}),
    ("RMSprop", torch.optim.RMSprop, {"lr": 0.02, "alpha": 0.9, "momentum": 0.7}),
    ("RMSprop", torch.optim.RMSprop, {"lr": 0.02, "alpha": 0.8, "momentum": 0.5, "centered": True, "eps": 0.1}),
    ("Adagrad", torch.optim.Adagrad, {}),
    (
        "Adagrad",
        torch.optim.Adagrad,
        {"lr": 0.2, "lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.3, "eps": 1e-4},
    ),
    ("Lion", Lion, {}),
    ("Lion", Lion, {"lr": 0.01, "betas": (0.7, 0.9), "weight_decay": 0.1}),
]


def steps_of(make, options):
    params = [torch.nn.Parameter(torch.tensor(w, dtype=torch.float64)) for w in WEIGHTS]
    optimizer = make(params, **options)
    seen = []
    for step in range(NUM_STEPS):
        for p, g in zip(params, gradients(step)):
            p.grad = None if g is None else torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        seen.append([p.tolist() for p in params])
    return seen


SCHEDULES = [
    ("step", lr_scheduler.StepLR, 0.5, {"step_size": 3, "gamma": 0.3}, 12),
    ("multiStep", lr_scheduler.MultiStepLR, 0.5, {"milestones": [2, 5, 6], "gamma": 0.1}, 10),
    ("exponential", lr_scheduler.ExponentialLR, 0.5, {"gamma": 0.9}, 10),
    ("oneCycle", lr_scheduler.OneCycleLR, 0.5, {"max_lr": 0.5, "total_steps": 20}, 20),
    (
        "oneCycle",
        lr_scheduler.OneCycleLR,
        0.5,
        {"max_lr": 0.2, "total_steps": 11, "pct_start": 0.4, "div_factor": 5, "final_div_factor": 100},
        11,
    ),
    (
        "oneCycle",
        lr_scheduler.OneCycleLR,
        0.5,
        {"max_lr": 0.2, "total_steps": 11, "pct_start": 0.4, "anneal_strategy": "linear"},
        11,
    ),
]


def rates_of(make, start, options, count):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=start)
    schedule = make(optimizer, **options)
    rates = []
    for step in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < count - 1:
            schedule.step()
    return rates


LOSSES = [3, 2.5, 2.5, 2.6, 2.4999, 2.7, 2.1, 2.2, 2.3, 2.2, 2.15, 2.3, 2.05, 2.3, 2.2, 2.1, 2.2, 2.4, 2.3, 2.2]
PLATEAUS = [
    {"factor": 0.5, "patience": 2},
    {"factor": 0.5, "patience": 1, "cooldown": 2, "min_lr": 0.1},
    {"mode": "max", "factor": 0.1, "patience": 3, "threshold": 0.01},
    {"factor": 0.5, "patience": 1, "threshold": 0.2, "threshold_mode": "abs"},
]


def plateau_of(options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    rates = []
    for loss in LOSSES:
        schedule.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


print(
    json.dumps(
        {
            "torch": torch.__version__,
            "weights": WEIGHTS,
            "gradients": [gradients(step) for step in range(NUM_STEPS)],
            "optimizers": [
                {"name": name, "options": options, "steps": steps_of(make, options)}
                for name, make, options in OPTIMIZERS
            ],
            "schedules": [
                {"name": name, "start": start, "options": options, "rates": rates_of(make, start, options, count)}
                for name, make, start, options, count in SCHEDULES
            ],
            "losses": LOSSES,
            "plateaus": [{"options": options, "rates": plateau_of(options)} for options in PLATEAUS],
        }
    )
)
