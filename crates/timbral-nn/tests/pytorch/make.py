"""Makes cases.safetensors: small layers, losses and optimizer runs of PyTorch with their numbers.

Usage: python make.py   (needs torch and safetensors; writes beside itself)

Names: CASE/in/NAME inputs, CASE/w/NAME weights, CASE/out output, CASE/grad/x gradient of sum(out * fixed weights)
with respect to the input. Optimizers: optim/NAME is the parameter after each of 20 steps.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
cases = {}


def layer(name, module, x, call=None):
    module.train()
    cases.update({f"{name}/w/{key}": value.clone() for key, value in module.state_dict().items() if value.is_floating_point()})
    x.requires_grad_(True)
    out = (call or module)(x)
    out = out[0] if isinstance(out, tuple) else out
    weights = torch.linspace(0.5, 1.5, out.numel()).reshape(out.shape)
    (out * weights).sum().backward()
    cases.update({f"{name}/in/x": x.detach(), f"{name}/out": out.detach(), f"{name}/grad/x": x.grad})
    for key, value in module.named_parameters():
        cases[f"{name}/dw/{key}"] = value.grad


layer("conv2d", nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 1), dilation=(1, 2), groups=2), torch.randn(2, 2, 7, 8))
layer("conv2d_direct", nn.Conv2d(3, 7, 3, padding=1), torch.randn(2, 3, 5, 19))
layer("conv1d", nn.Conv1d(3, 4, 5, padding=2, stride=2), torch.randn(2, 3, 11))
layer("batch_norm", nn.BatchNorm2d(3), torch.randn(2, 3, 4, 5))
layer("layer_norm", nn.LayerNorm(6), torch.randn(3, 4, 6))
layer("rms_norm", nn.RMSNorm(6, eps=1e-6), torch.randn(3, 4, 6))
layer("group_norm", nn.GroupNorm(2, 6), torch.randn(3, 6, 4))
layer("gru", nn.GRU(3, 4, batch_first=True, bidirectional=True), torch.randn(2, 5, 3))
layer("lstm", nn.LSTM(3, 4, batch_first=True, bidirectional=True), torch.randn(2, 5, 3))
attention = nn.MultiheadAttention(6, 2, batch_first=True)
mask = torch.triu(torch.full((5, 5), float("-inf")), 1)
layer("attention", attention, torch.randn(2, 5, 6), lambda x: attention(x, x, x, attn_mask=mask, need_weights=False))
layer("max_pool", nn.MaxPool2d(3, stride=2, padding=1), torch.randn(2, 2, 7, 6))
layer("avg_pool", nn.AvgPool2d(3, stride=2, padding=1), torch.randn(2, 2, 7, 6))

classes = torch.tensor([2, 0, 1, 3])
weight = torch.tensor([1.0, 0.5, 2.0, 0.25])
soft = torch.softmax(torch.randn(4, 4), 1)
teacher = torch.randn(4, 4)
labels = torch.rand(4, 4)
cases.update({"loss/soft": soft, "loss/teacher": teacher, "loss/labels": labels})
losses = {
    "classes": lambda x: F.cross_entropy(x, classes, weight=weight, label_smoothing=0.1),
    "soft": lambda x: F.cross_entropy(x, soft, weight=weight, label_smoothing=0.1),
    "binary": lambda x: F.binary_cross_entropy_with_logits(x, labels),
    "distillation": lambda x: F.kl_div(F.log_softmax(x / 3, 1), F.log_softmax(teacher / 3, 1), reduction="batchmean", log_target=True) * 9,
}
for name, loss in losses.items():
    layer(f"loss_{name}", nn.Identity(), torch.randn(4, 4), lambda x: loss(x).reshape(1))

start = torch.randn(3, 4)
data = torch.randn(5, 3)
cases.update({"optim/start": start, "optim/data": data})
optimizers = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1),
}
for name, make in optimizers.items():
    parameter = nn.Parameter(start.clone())
    optimizer = make([parameter])
    path = []
    for _ in range(20):
        optimizer.zero_grad()
        (data @ parameter).tanh().square().sum().backward()
        optimizer.step()
        path.append(parameter.detach().clone())
    cases[f"optim/{name}"] = torch.stack(path)

dummy = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
schedules = {
    "one_cycle": lambda: torch.optim.lr_scheduler.OneCycleLR(dummy, max_lr=0.1, total_steps=20, cycle_momentum=False),
    "restarts": lambda: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(dummy, T_0=3, T_mult=2, eta_min=0.01),
    "step": lambda: torch.optim.lr_scheduler.StepLR(dummy, step_size=4, gamma=0.5),
}
for name, make in schedules.items():
    dummy = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make()
    rates = []
    for _ in range(20):
        rates.append(schedule.get_last_lr()[0])
        dummy.step()
        if len(rates) < 20:
            schedule.step()
    cases[f"schedule/{name}"] = torch.tensor(rates)
dummy = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(dummy, factor=0.5, patience=2, min_lr=0.2)
measures = torch.cat([torch.linspace(1, 0.8, 5), torch.full((15,), 0.8)])
rates = []
for measure in measures:
    plateau.step(measure)
    rates.append(dummy.param_groups[0]["lr"])
cases.update({"schedule/measures": measures, "schedule/plateau": torch.tensor(rates)})

save_file({key: value.contiguous() for key, value in cases.items()}, pathlib.Path(__file__).with_name("cases.safetensors"))
