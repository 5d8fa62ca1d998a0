"""Makes cases.safetensors: small layers, losses and optimizer runs of PyTorch with their numbers.

Usage: python make.py   (needs torch and safetensors; writes beside itself)

Names: CASE/in/NAME inputs, CASE/w/NAME weights, CASE/out output, CASE/grad/x gradient of sum(out * fixed weights)
with respect to the input. Optimizers: optim/NAME is the parameter after each of 20 steps; run/NAME/PARAMETER likewise, of
two parameters with groups, clipping, accumulation and averages.
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

# What follows has its own seeds, so that a new case leaves the others as they are.


def seeded(name, make, *shape, call=None):
    torch.manual_seed(sum(name.encode()))
    module = make()
    layer(name, module, torch.randn(*shape), (lambda x: call(module, x)) if call else None)


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Excitation(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.reduce, self.expand = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, x):
        return x * torch.sigmoid(self.expand(torch.relu(self.reduce(x.mean((2, 3))))))[:, :, None, None]


class BasicBlock(nn.Module):
    """The block of torchvision's ResNet-18."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class Pooling(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.score = nn.Linear(size, 1)

    def forward(self, x):
        return (torch.softmax(self.score(x), 1) * x).sum(1)


def focal(log):
    return -((1 - log.exp()) ** 2 * log).mean()


activations = {
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(0.2),
    "elu": nn.ELU(0.7),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "softplus": nn.Softplus(),
    "mish": nn.Mish(),
    "hard_swish": nn.Hardswish(),
}
for name, activation in activations.items():
    seeded(f"activation_{name}", lambda: Call(lambda x: activation(3 * x)), 5, 7)
seeded("linear", lambda: nn.Linear(5, 3), 2, 4, 5)
seeded("conv2d_same", lambda: nn.Conv2d(2, 3, (3, 3), padding="same", dilation=(1, 2)), 1, 2, 6, 7)
seeded("conv2d_depthwise", lambda: nn.Conv2d(4, 8, 3, padding=1, groups=4), 3, 4, 5, 8)
seeded("conv2d_uneven", lambda: nn.Conv2d(2, 3, 3), 2, 2, 5, 6, call=lambda conv, x: conv(F.pad(x, (2, 0, 0, 1))))
seeded("conv1d_groups", lambda: nn.Conv1d(4, 6, 3, padding=2, dilation=2, groups=2), 3, 4, 10)
seeded("batch_norm_1d", lambda: nn.BatchNorm1d(3), 3, 3, 5)
seeded("batch_norm_flat", lambda: nn.BatchNorm1d(4), 5, 4)
seeded("gru_single", lambda: nn.GRU(5, 19, batch_first=True), 11, 4, 5)
seeded("lstm_single", lambda: nn.LSTM(5, 19, batch_first=True), 11, 4, 5)
seeded("group_norm_image", lambda: nn.GroupNorm(3, 6), 2, 6, 5, 7)
padding = torch.tensor([[False] * 9, [False] * 5 + [True] * 4, [False] * 8 + [True]])
heads = lambda mask: lambda attention, x: attention(x, x, x, key_padding_mask=mask, need_weights=False)
seeded("attention_plain", lambda: nn.MultiheadAttention(12, 3, batch_first=True), 1, 70, 12, call=heads(None))
seeded("attention_padding", lambda: nn.MultiheadAttention(12, 3, batch_first=True), 3, 9, 12, call=heads(padding))
seeded("attention_pooling", lambda: Pooling(4), 3, 5, 4)
seeded("excitation", lambda: Excitation(6, 2), 2, 6, 3, 4)
seeded("residual", lambda: BasicBlock(2, 4, 2), 3, 2, 7, 8)
seeded("residual_plain", lambda: BasicBlock(3, 3, 1), 2, 3, 5, 4)
seeded("patches", lambda: nn.ModuleDict({"proj": nn.Conv2d(2, 5, (2, 3), stride=(2, 3))}), 2, 2, 5, 7,
       call=lambda patches, x: patches["proj"](x).flatten(2).transpose(1, 2))
seeded("max_pool_rest", lambda: nn.MaxPool2d((2, 3)), 2, 3, 7, 8)
seeded("avg_pool_rest", lambda: nn.AvgPool2d((3, 2)), 1, 3, 8, 7)
seeded("max_pool_1d", lambda: nn.MaxPool1d(3, stride=2, padding=1), 2, 3, 8)
seeded("avg_pool_1d", lambda: nn.AvgPool1d(3, stride=2, padding=1), 2, 3, 9)
seeded("adaptive_avg", lambda: nn.AdaptiveAvgPool2d((3, 4)), 2, 3, 7, 5)
seeded("adaptive_max", lambda: nn.AdaptiveMaxPool2d((3, 4)), 2, 3, 7, 5)
seeded("adaptive_avg_1d", lambda: nn.AdaptiveAvgPool1d(4), 2, 3, 7)
seeded("adaptive_max_1d", lambda: nn.AdaptiveMaxPool1d(4), 2, 3, 7)
seeded("loss_focal", lambda: Call(lambda x: focal(F.log_softmax(x, 1)[torch.arange(4), classes]).reshape(1)), 4, 4)


def trained(name, optimizer, average=None, before=lambda p: None, parts=1):
    """The path of the parameters (decayed and not) of 20 steps, and of their average."""
    torch.manual_seed(7)
    weights = {"decayed": nn.Parameter(start.clone()), "free": nn.Parameter(torch.randn(4))}
    cases.update({f"run/start/{key}": value.detach().clone() for key, value in weights.items()})
    optimizer = optimizer(weights)
    holder = nn.ParameterDict(weights)
    averaged = None if average is None else torch.optim.swa_utils.AveragedModel(holder, **average)
    paths = {key: [] for key in weights}
    for _ in range(20):
        optimizer.zero_grad()
        for rows in data.chunk(parts):
            ((rows @ weights["decayed"] + weights["free"]).tanh().square().sum() / parts).backward()
        before(list(weights.values()))
        optimizer.step()
        if averaged:
            averaged.update_parameters(holder)
        for key, path in paths.items():
            path.append((averaged.module if averaged else holder)[key].detach().clone())
    for key, path in paths.items():
        cases[f"run/{name}/{key}"] = torch.stack(path)


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al. (2023)."""

    def __init__(self, groups):
        super().__init__(groups, {"lr": 0.05, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = (0.9 * m + 0.1 * p.grad).sign() + group["weight_decay"] * p
                m.copy_(0.99 * m + 0.01 * p.grad)
                p.sub_(group["lr"] * update)


def groups(weights, decay):
    return [{"params": [weights["decayed"]], "weight_decay": decay}, {"params": [weights["free"]], "weight_decay": 0.0, "lr": 0.025}]


def plain(weights):
    return torch.optim.SGD(weights.values(), lr=0.05)


swa = torch.optim.swa_utils
trained("plain", plain)
trained("groups", lambda weights: torch.optim.AdamW(groups(weights, 0.1), lr=0.05))
trained("lion", lambda weights: Lion(groups(weights, 0.1)))
trained("clip_norm", plain, before=lambda p: nn.utils.clip_grad_norm_(p, 0.5))
trained("clip_value", plain, before=lambda p: nn.utils.clip_grad_value_(p, 0.2))
trained("accumulated", plain, parts=5)
trained("ema", plain, average={"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)})
trained("swa", plain, average={})


def rates(name, make):
    dummy = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(dummy)
    rates = []
    for _ in range(20):
        rates.append(schedule.get_last_lr()[0])
        dummy.step()
        schedule.step()
    cases[f"schedule/{name}"] = torch.tensor(rates)


def after_a_rise(then):
    def make(dummy):
        rise = torch.optim.lr_scheduler.LinearLR(dummy, start_factor=1 / 5, total_iters=4)
        return torch.optim.lr_scheduler.SequentialLR(dummy, [rise, then(dummy)], milestones=[4])

    return make


rates("constant", lambda dummy: torch.optim.lr_scheduler.ConstantLR(dummy, factor=1.0))
rates("warmup_cosine", after_a_rise(lambda dummy: torch.optim.lr_scheduler.CosineAnnealingLR(dummy, T_max=15, eta_min=0.1)))
rates("warmup_restarts", after_a_rise(lambda dummy: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(dummy, T_0=3, T_mult=2, eta_min=0.1)))

# A whole network under names of its own, as a stranger's state_dict has them.
torch.manual_seed(11)
features = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
memory, head = nn.GRU(16, 5, batch_first=True, bidirectional=True), nn.Linear(10, 3)
network = nn.ModuleDict({"features": features, "rnn": memory, "fc": nn.ModuleDict({"out": head})})
x = torch.randn(2, 1, 8, 6)
features(torch.randn(5, 1, 8, 6))
network.eval()
with torch.no_grad():
    out = head(memory(features(x).flatten(1, 2).transpose(1, 2))[0].mean(1))
cases.update({"network/x": x, "network/out": out})
cases.update({f"network/w/{key}": value.to(torch.float64) for key, value in network.state_dict().items()})

save_file({key: value.contiguous() for key, value in cases.items()}, pathlib.Path(__file__).with_name("cases.safetensors"))
