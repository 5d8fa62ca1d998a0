"""The networks of benches/nn.rs in PyTorch, and both in turns.

Usage: python benches/nn_pytorch.py [--threads 2] [--rounds 15] [--only NAME] [--kinds step,infer-32] [--passive]
                                    [--no-candle]   (needs torch and cargo)

Builds `benches/nn.rs`, starts one process of it and one of PyTorch with the same number of threads, and lets them do one
step (or inference) each in turns, A B A B, so that whatever else the machine does meets both. Prints medians of the time
on the wall and of the processors as a Markdown table, and the growth of the largest resident size over five steps in a
fresh process each. `serve` as the only argument is the PyTorch process itself. With `--passive` waiting threads of PyTorch
sleep: on a machine that does other work as well they else spin away whole steps, which flatters us. `--kinds "" --no-candle`
measures memory only; `--program` takes a `benches/nn.rs` that is built already.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

NETWORKS = ["cnn-24-48-96-128", "cnn-16-32-64-128", "gru", "transformer"]
KINDS = ["step", "infer-32", "infer-1"]
CLASSES, BATCH, IMAGE, STATE = 10, 32, (64, 128), 96
PATCH, SIZE, HEADS, HIDDEN, DEPTH = (8, 8), 128, 4, 256, 4


def networks():
    import torch
    from torch import nn

    class Cnn(nn.Module):
        def __init__(self, channels):
            super().__init__()
            layers, last = [], 1
            for out in channels:
                layers += [nn.Conv2d(last, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
                last = out
            self.blocks, self.head = nn.Sequential(*layers), nn.Linear(2 * last, CLASSES)

        def forward(self, x):
            x = self.blocks(x).mean(2)
            return self.head(torch.cat([x.mean(2), x.amax(2)], 1))

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(IMAGE[0], STATE, batch_first=True, bidirectional=True)
            self.head = nn.Linear(2 * STATE, CLASSES)

        def forward(self, x):
            return self.head(self.gru(x.squeeze(1).transpose(1, 2))[0].mean(1))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(1, SIZE, PATCH, stride=PATCH)
            count = (IMAGE[0] // PATCH[0]) * (IMAGE[1] // PATCH[1])
            angles = torch.arange(count)[:, None] * 10_000 ** (-torch.arange(0, SIZE, 2) / SIZE)
            self.positions = torch.stack([angles.sin(), angles.cos()], 2).reshape(count, SIZE)
            block = nn.TransformerEncoderLayer(SIZE, HEADS, HIDDEN, dropout=0, activation="gelu", batch_first=True, norm_first=True)
            self.blocks = nn.TransformerEncoder(block, DEPTH, nn.LayerNorm(SIZE), enable_nested_tensor=False)
            self.head = nn.Linear(SIZE, CLASSES)

        def forward(self, x):
            return self.head(self.blocks(self.patches(x).flatten(2).transpose(1, 2) + self.positions).mean(1))

    def make(name):
        if name == "gru":
            return Recurrent()
        if name == "transformer":
            return Transformer()
        return Cnn([int(part) for part in name.split("-")[1:]])

    return make


class Run:
    def __init__(self, name):
        import torch

        self.torch = torch
        self.network = networks()(name)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), 1e-3)
        self.x, self.classes = torch.rand(BATCH, 1, *IMAGE) * 2 - 1, torch.arange(BATCH) % CLASSES

    def go(self, kind):
        if kind == "step":
            self.network.train()
            self.optimizer.zero_grad()
            self.torch.nn.functional.cross_entropy(self.network(self.x), self.classes).backward()
            self.optimizer.step()
        else:
            self.network.eval()
            with self.torch.inference_mode():
                self.network(self.x if kind == "infer-32" else self.x[:1])


def memory(entry):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(entry))


def serve():
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    runs = {}
    for line in sys.stdin:
        _, name, kind = line.split()
        if name not in runs:
            runs[name] = Run(name)
        run = runs[name]
        if kind == "memory":
            before = memory("VmRSS")
            for _ in range(5):
                run.go("step")
            print(memory("VmHWM") - before, 0, flush=True)
        else:
            wall, processor = time.perf_counter(), time.process_time()
            run.go(kind)
            print((time.perf_counter() - wall) * 1e3, (time.process_time() - processor) * 1e3, flush=True)


class Process:
    def __init__(self, command, options):
        threads = options.threads
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS", "OMP", "MKL", "RAYON"))}
        environment |= {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
        if options.passive:
            environment["OMP_WAIT_POLICY"] = "PASSIVE"
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return [float(word) for word in self.process.stdout.readline().split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def bench_program():
    built = subprocess.run(
        ["cargo", "bench", "--bench", "nn", "--no-run", "--locked"], capture_output=True, text=True, check=True
    )
    path = built.stderr.rsplit("(", 1)[1].split(")")[0]
    return [path, "serve"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--passive", action="store_true")
    parser.add_argument("--no-candle", action="store_true")
    parser.add_argument("--program", help="a built benches/nn.rs")
    options = parser.parse_args()
    commands = {
        "timbral": [options.program, "serve"] if options.program else bench_program(),
        "pytorch": [sys.executable, __file__, "serve"],
    }
    names = [name for name in NETWORKS if options.only in name]
    print("| network | timbral-nn ms, wall / processor | PyTorch ms, wall / processor | ratio, wall / processor |")
    print("|---|---|---|---|")
    processes = {name: Process(command, options) for name, command in commands.items()}
    for name in names:
        for kind in filter(None, options.kinds.split(",")):
            times = {implementation: [] for implementation in processes}
            for turn in range(options.rounds + 2):
                for implementation, process in processes.items():
                    time_of_one = process.ask(implementation, name, kind)
                    if turn >= 2:
                        times[implementation].append(time_of_one)
            medians = {key: [statistics.median(column) for column in zip(*values)] for key, values in times.items()}
            ours, theirs = medians["timbral"], medians["pytorch"]
            cells = [f"{wall:.1f} / {processor:.1f}" for wall, processor in (ours, theirs)]
            ratios = [statistics.median(a[i] / b[i] for a, b in zip(times["timbral"], times["pytorch"])) for i in (0, 1)]
            print(f"| {name}, {kind} | {cells[0]} | {cells[1]} | {ratios[0]:.2f} / {ratios[1]:.2f} |", flush=True)
        if not options.no_candle:
            pairs = [(processes["timbral"].ask("candle", name, "step"), processes["timbral"].ask("timbral", name, "step")) for _ in range(4)]
            gains = [statistics.median(a[i] / b[i] for a, b in pairs[1:]) for i in (0, 1)]
            wall, processor = (statistics.median(a[i] for a, _ in pairs[1:]) for i in (0, 1))
            print(f"| {name}, step of stock candle | {wall:.1f} / {processor:.1f} | | {gains[0]:.2f} / {gains[1]:.2f} of timbral-nn's |", flush=True)
    for process in processes.values():
        process.close()
    print("\n| growth of the largest resident size over 5 steps | timbral-nn MiB | PyTorch MiB | ratio |\n|---|---|---|---|")
    for name in names:
        peaks = []
        for implementation, command in commands.items():
            process = Process(command, options)
            peaks.append(process.ask(implementation, name, "memory")[0])
            process.close()
        print(f"| {name} | {peaks[0]:.0f} | {peaks[1]:.0f} | {peaks[0] / peaks[1]:.2f} |", flush=True)


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
