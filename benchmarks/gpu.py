"""Measure training and inference on one GPU with JAX, compared with PyTorch twins.

    python benchmarks/gpu.py --out OUT [--models mans9 csta_cnn] [--seconds 2] [--budget 420]

Needs Keras and JAX. TensorFlow is not imported; without PyTorch the twins are left out, and the
table says so. Keras runs on JAX, whatever KERAS_BACKEND is. Without a GPU it measures the CPU.

For each network, as its recipe trains it on NTU RGB+D (60 classes, no augmentation, no gradient
clipping), in float32 and in bfloat16 (Keras' mixed_bfloat16, PyTorch's autocast):

    train   forward and backward pass and optimizer, one compiled step
    infer   `keras_skeleton.compiled`, logits on the host

Batches are random and lie on the device, so reading and copying them is not measured. float32
allows both frameworks TF32, where the chip has it. CSTA-CNN gets sampled frames. The twin runs
plain, with its convolutions channels last, and with torch.compile; its fastest mode counts.

    % of peak   operations of the step by XLA's cost analysis, over time and the chip's peak of
                dense products. XLA counts the body of a loop once; it is added as often as the loop
                runs. Element-wise operations count, too
    memory      JAX: arguments, results and temporary memory of the compiled step. PyTorch: peak
                of allocated memory. None on a CPU
    hours       of NTU RGB+D 60, protocol cs, by the recipe: epochs over 40,091 training clips at
                the measured speed, without reading and evaluation. A stage counts as its
                network's share of the whole network's FLOPs

One process per network and framework prints each number as soon as it is known. --budget bounds the
total time: what does not fit is left out and named.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

os.environ["KERAS_BACKEND"] = "jax"
sys.modules["tensorflow"] = None  # type: ignore[assignment]  # where there is one, Keras imports it
# Memory as needed, so that the twin's process finds the memory of the one before it.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import numpy as np
from measuring import machine

if TYPE_CHECKING:
    from keras_skeleton.recipes.recipe import Recipe

CLASSES, CLIPS = 60, 40_091  # of NTU RGB+D 60; training clips of protocol cs
BATCHES = {"mans9": 40, "sta_lstm": 256, "csta_cnn": 64, "pose_i3d": 16}  # of the recipes
PRECISIONS = ("float32", "bfloat16")
CHUNK = 0.1  # seconds of steps between two looks at the clock
LEAST = 20.0  # seconds without which no further process starts

# Dense products in TFLOP/s: (float32 as TF32, bfloat16), half of the numbers "with sparsity".
PEAKS = {
    "H200": (494.7, 989.4),  # NVIDIA H200 data sheet (SXM)
    "H100": (494.7, 989.4),  # NVIDIA H100 data sheet (SXM)
    "A100": (156.0, 312.0),  # NVIDIA A100 data sheet
    "L40S": (183.0, 366.0),  # NVIDIA L40S data sheet
    "L4": (60.0, 121.0),  # NVIDIA L4 data sheet
}


@dataclass(frozen=True)
class Sizes:
    """What is measured, and how large.

    Attributes:
        seconds: Duration of a measurement, after its warm-up.
        batch: Clips in a batch; by default the recipe's number.
        frames: T of the networks whose T is free (all but CSTA-CNN); by default the recipe's.
        size: Height and width of the videos of pose_i3d.
        width: Factor on the filters and units of pose_i3d; for rehearsals.
        compile_twins: Also measure the twins with torch.compile.
    """

    seconds: float = 2.0
    batch: int | None = None
    frames: int | None = None
    size: int = 224
    width: float = 1.0
    compile_twins: bool = True

    def frames_of(self, model: str) -> int:
        own = {"mans9": 50, "sta_lstm": 300, "csta_cnn": 30, "pose_i3d": 64}[model]
        return own if self.frames is None or model == "csta_cnn" else self.frames

    def batch_of(self, model: str) -> int:
        return self.batch or BATCHES[model]


def recipe_of(model: str) -> Recipe:
    from keras_skeleton.recipes.registry import get_recipe

    return replace(get_recipe(model, "ntu"), augment=(), clipnorm=None)


def arguments_of(model: str, sizes: Sizes) -> dict[str, Any]:
    """Arguments of the network; the twins take the same."""
    arguments = dict(recipe_of(model).model)
    if model == "pose_i3d":
        units = max(1, round(sizes.width * arguments["units"]))
        arguments |= {"units": units, "width": sizes.width, "size": sizes.size}
    return arguments


def batch_of(shapes: Any, batch: int) -> tuple[Any, np.ndarray]:
    """Random inputs of these shapes without the batch (a dict for several), and labels."""
    random = np.random.default_rng(0)

    def made(shape: Sequence[int]) -> np.ndarray:
        return random.uniform(-1, 1, (batch, *shape)).astype(np.float32)

    x = {k: made(s) for k, s in shapes.items()} if isinstance(shapes, dict) else made(shapes)
    return x, random.integers(CLASSES, size=batch).astype(np.int32)


def seconds_per_step(step: Callable[[], Any], wait: Callable[[Any], Any], seconds: float) -> float:
    """Median seconds of a step. Steps run in chunks; `wait` waits for the last result of each."""

    def chunk(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            found = step()
        wait(found)
        return (time.perf_counter() - start) / steps

    for _ in range(2):  # compiles, and takes memory
        one = chunk(1)
    steps, spent = max(1, math.ceil(CHUNK / one)), []
    until = time.perf_counter() + seconds
    while len(spent) < 3 or time.perf_counter() < until:
        spent.append(chunk(steps))
    return statistics.median(spent)


def write(**row: Any) -> None:
    """Prints a row for the process that started this one."""
    print(json.dumps(row), flush=True)


# ---------------------------------------------------------------- our networks, on JAX


def network(model: str, sizes: Sizes, **changes: Any) -> Any:
    """Our network; CSTA-CNN without its sampling layer."""
    import keras

    from keras_skeleton.models.registry import build_model

    arguments = {**arguments_of(model, sizes), **changes}
    whole = build_model(model, "kinect_v2", CLASSES, sizes.frames_of(model), **arguments)
    if model != "csta_cnn":
        return whole
    rest = keras.Model(whole.get_layer("sampling").output, whole.output)
    return keras.models.clone_model(rest)  # so that its layers belong to one network only


def train_step(net: Any, recipe: Recipe) -> tuple[Callable[..., Any], list[Any]]:
    """A training step as a function of its state, inputs and labels; and its first state."""
    import jax
    import keras

    optimizer = (
        keras.optimizers.Adam(recipe.learning_rate)
        if recipe.optimizer == "adam"
        else keras.optimizers.SGD(recipe.learning_rate, recipe.momentum)
    )
    optimizer.build(net.trainable_variables)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def loss(trained: Any, other: Any, x: Any, y: Any) -> Any:
        logits, other, penalties = net.stateless_call(
            trained, other, x, training=True, return_losses=True
        )
        return entropy(y, logits) + sum(penalties), other

    def step(state: Any, x: Any, y: Any) -> Any:
        trained, other, moments = state
        (value, other), gradients = jax.value_and_grad(loss, has_aux=True)(trained, other, x, y)
        trained, moments = optimizer.stateless_apply(moments, gradients, trained)
        return [trained, other, moments], value

    kinds = net.trainable_variables, net.non_trainable_variables, optimizer.variables
    # Copies: a step gives the memory of its state away.
    return step, [[jax.numpy.copy(v.value) for v in variables] for variables in kinds]


def operations(function: Callable[..., Any], *arguments: Any) -> float:
    """Operations of a call by XLA's cost analysis; bodies of loops as often as they run."""
    import jax

    jitted = jax.jit(function)
    total = jitted.lower(*arguments).cost_analysis()["flops"]
    return total + _repeated(jitted.trace(*arguments).jaxpr)


def _repeated(jaxpr: Any) -> float:
    """Operations of all runs but the first of the loops of a program."""
    import jax
    from jax.extend.core import jaxpr_as_fun

    found = 0.0
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        for value in equation.params.values():
            inner = value if isinstance(value, (list, tuple)) else [value]
            for body in inner:
                if not hasattr(getattr(body, "jaxpr", body), "eqns"):
                    continue
                found += (more := _repeated(body))
                if equation.primitive.name == "scan" and equation.params["length"] > 1:
                    call = jax.jit(jaxpr_as_fun(body))
                    once = call.lower(*body.in_avals).cost_analysis()["flops"]
                    found += (equation.params["length"] - 1) * (once + more)
    return found


def memory_of(compiled: Any) -> float | None:
    """GB of a compiled program: arguments, results and temporary memory."""
    import jax

    stats = compiled.memory_analysis()
    if jax.devices()[0].platform == "cpu" or stats is None:
        return None
    held = stats.argument_size_in_bytes + stats.output_size_in_bytes - stats.alias_size_in_bytes
    return (held + stats.temp_size_in_bytes) / 1e9


def passes(model: str, sizes: Sizes) -> float:
    """How often the recipe's training passes every clip through the whole network.

    A stage counts as its network's share of the FLOPs.
    """
    from keras_skeleton.models.registry import build_model
    from keras_skeleton.models.summary import flops

    recipe = recipe_of(model)
    if not recipe.stages:
        return recipe.epochs

    def cost(**changes: Any) -> int:
        arguments = {**arguments_of(model, sizes), **changes}
        frames = sizes.frames_of(model)
        return flops(build_model(model, "kinect_v2", CLASSES, frames, **arguments))

    total, known = 0.0, {"": cost()}  # stages with the same network are built once
    for stage in recipe.stages:
        name = repr(sorted(stage.model.items())) if stage.model else ""
        known.setdefault(name, 0)
        known[name] = known[name] or cost(**stage.model)
        steps = -(-CLIPS // stage.recipe.get("batch_size", recipe.batch_size))
        total += (stage.epochs or stage.iterations / steps) * known[name] / known[""]
    return total


def measure_ours(model: str, sizes: Sizes) -> None:
    """Writes what is known of our network."""
    import jax
    import keras

    from keras_skeleton.deploy.compiled import compiled

    device = jax.devices()[0]
    write(chip=device.device_kind if device.platform != "cpu" else "CPU", platform=device.platform)
    write(passes=passes(model, sizes))
    for precision in PRECISIONS:
        policy = "float32" if precision == "float32" else f"mixed_{precision}"
        keras.config.set_dtype_policy(policy)
        net = network(model, sizes)
        if isinstance(net.input, dict):
            shapes = {name: tuple(t.shape[1:]) for name, t in net.input.items()}
        else:
            shapes = tuple(net.input.shape[1:])
        x, y = batch_of(shapes, sizes.batch_of(model))
        x, y = jax.device_put((x, y))
        with _told(precision, "train"):
            step, state = train_step(net, recipe_of(model))
            count = operations(step, state, x, y)
            program = jax.jit(step, donate_argnums=0).lower(state, x, y).compile()
            kept = [state]

            def train(program=program, kept=kept, x=x, y=y) -> Any:
                kept[0], value = program(kept[0], x, y)
                return value

            spent = seconds_per_step(train, jax.block_until_ready, sizes.seconds)
            _row(precision, "train", len(y) / spent, count / spent, memory_of(program))
            kept.clear()
        with _told(precision, "infer"):
            weights = [v.value for v in net.trainable_variables]
            other = [v.value for v in net.non_trainable_variables]

            def forward(weights: Any, other: Any, x: Any, net: Any = net) -> Any:
                return net.stateless_call(weights, other, x, training=False)[0]

            count = operations(forward, weights, other, x)
            memory = memory_of(jax.jit(forward).lower(weights, other, x).compile())
            logits = partial(compiled(net), x)
            spent = seconds_per_step(logits, lambda found: found, sizes.seconds)
            _row(precision, "infer", len(y) / spent, count / spent, memory)


def _row(
    precision: str, what: str, rate: float, flops: float, memory: float | None, **more: Any
) -> None:
    write(precision=precision, what=what, rate=rate, tflops=flops / 1e12, memory=memory, **more)


class _told:  # noqa: N801 - used as a function
    """Context that writes why a measurement failed, such as for lack of memory, and goes on."""

    def __init__(self, precision: str, what: str) -> None:
        self.place = {"precision": precision, "what": what}

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        traceback.print_exception(error)
        write(**self.place, failed=f"{kind.__name__}: {str(error).splitlines()[:1] or ['']}"[:200])
        return True


# ---------------------------------------------------------------- the twins, on PyTorch


def twin_network(model: str, sizes: Sizes, layout: Any) -> tuple[Any, Any]:
    """The twin, and the shapes of its inputs."""
    from twins import CstaCnn, Mans9, PoseI3d, StaLstm

    frames, arguments = sizes.frames_of(model), arguments_of(model, sizes)
    if model == "mans9":
        return Mans9(CLASSES, frames, memory_format=layout), (frames, frames, 3)
    if model == "sta_lstm":
        return StaLstm(50, CLASSES, **arguments), (frames, 50, 3)
    if model == "csta_cnn":
        return CstaCnn(25, CLASSES, frames, memory_format=layout), (frames, 2, 25, 3)
    own = {k: v for k, v in arguments.items() if k not in ("size", "regularized")}
    video = (frames, sizes.size, sizes.size, 3)
    shapes = {part: video for part in PoseI3d.PARTS}
    shapes["skeleton"] = (own["steps"], 150)
    return PoseI3d(values=150, classes=CLASSES, memory_format=layout, **own), shapes


def measure_twin(model: str, sizes: Sizes) -> None:
    """Writes what is known of the twin: each mode of each measurement."""
    import torch
    from twins import optimizer

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    gpu = device.type == "cuda"
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")  # TF32
    torch.backends.cudnn.allow_tf32 = True
    recurrent = model == "sta_lstm"
    last = torch.channels_last_3d if model == "pose_i3d" else torch.channels_last
    modes = {"plain": (torch.contiguous_format, False)}
    if not recurrent:
        modes["channels last"] = (last, False)
    if sizes.compile_twins:
        modes["compiled"] = (torch.contiguous_format if recurrent else last, True)

    def wait(found: Any) -> None:
        if gpu:
            torch.cuda.synchronize()

    for mode, (layout, compile_it) in modes.items():
        for precision in PRECISIONS:
            torch.manual_seed(0)
            torch.compiler.reset()
            net, shapes = twin_network(model, sizes, layout)
            net.to(device=device, memory_format=layout)
            a, b = batch_of(shapes, sizes.batch_of(model))
            x = (
                {k: torch.from_numpy(v).to(device) for k, v in a.items()}
                if isinstance(a, dict)
                else torch.from_numpy(a).to(device)
            )
            y = torch.from_numpy(b).long().to(device)
            loss = torch.compile(net.loss) if compile_it else net.loss
            forward = torch.compile(net) if compile_it else net
            update = optimizer(net, recipe_of(model))

            def cast(precision: str = precision) -> Any:
                return torch.autocast(device.type, torch.bfloat16, precision == "bfloat16")

            def train(x=x, y=y, loss=loss, update=update, cast=cast) -> Any:
                update.zero_grad(set_to_none=True)
                with cast():
                    value = loss(x, y)
                value.backward()
                update.step()
                return value

            def infer(x=x, forward=forward, cast=cast) -> Any:
                with torch.inference_mode(), cast():
                    return forward(x).float().cpu().numpy()

            for what, step in (("train", train), ("infer", infer)):
                with _told(precision, what):
                    net.train(what == "train")
                    if gpu:
                        torch.cuda.reset_peak_memory_stats()
                    spent = seconds_per_step(step, wait, sizes.seconds)
                    peak = torch.cuda.max_memory_allocated() / 1e9 if gpu else None
                    _row(precision, what, len(y) / spent, 0.0, peak, mode=mode)


# ---------------------------------------------------------------- the table


PEERS = {"ours": measure_ours, "twin": measure_twin}
Found = dict[tuple[str, str], dict[str, Any]]


def measured(peer: str, model: str, sizes: Sizes, seconds: float) -> tuple[list[dict], str]:
    """The rows of one process, and why it ended early (else empty)."""
    own = json.dumps(asdict(sizes))
    command = [sys.executable, __file__, "--measure", peer, model, own]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        try:
            done = subprocess.run(command, stdout=out, stderr=errors, timeout=seconds).returncode
            why = f"ended with status {done}" if done else ""
        except subprocess.TimeoutExpired:
            why = f"stopped after {seconds:.0f} s (--budget)"
        out.seek(0)
        errors.seek(0)
        rows = [json.loads(line) for line in out if line.startswith("{") and line.endswith("}\n")]
        if why and (told := errors.read().strip().splitlines()):
            why += f": {told[-1]:.200}"
    return rows, why


def best(rows: Sequence[dict]) -> Found:
    """The fastest row of each precision and kind of measurement."""
    found: Found = {}
    for row in rows:
        if "rate" in row:
            place = row["precision"], row["what"]
            if place not in found or row["rate"] > found[place]["rate"]:
                found[place] = row
    return found


def peak_of(chip: str, given: Sequence[float] | None) -> dict[str, float]:
    """TFLOP/s by precision; empty if the chip is unknown."""
    known = given or next((peak for name, peak in PEAKS.items() if name in chip.split()), None)
    return {} if known is None else dict(zip(PRECISIONS, known, strict=True))


COLUMNS = {
    "model": "network", "what": "what", "batch": "batch", "precision": "precision",
    "ours": "keras_skeleton, clips/s", "twin": "PyTorch twin, clips/s", "ratio": "ratio",
    "peak_percent": "% of peak", "memory_gb": "GB", "twin_memory_gb": "GB, twin",
    "hours": "hours, NTU 60 cs", "mode": "twin's mode",
}  # fmt: skip


def table_rows(
    model: str, sizes: Sizes, ours: Sequence[dict], twin: Sequence[dict], peak: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """Rows of the table of one network, by the names of `COLUMNS`."""
    mine, theirs = best(ours), best(twin)
    epochs = next((row["passes"] for row in ours if "passes" in row), None)
    for what in ("train", "infer"):
        for precision in PRECISIONS:
            own, other = mine.get((precision, what)), theirs.get((precision, what), {})
            if own is None:
                continue
            hours = CLIPS * epochs / own["rate"] / 3600 if what == "train" and epochs else None
            top = peak.get(precision)
            yield {
                "model": model, "what": what, "batch": sizes.batch_of(model),
                "precision": precision, "ours": own["rate"], "twin": other.get("rate"),
                "ratio": own["rate"] / other["rate"] if other else None,
                "peak_percent": 100 * own["tflops"] / top if top else None,
                "tflops": own["tflops"], "memory_gb": own["memory"],
                "twin_memory_gb": other.get("memory"), "hours": hours, "mode": other.get("mode"),
            }  # fmt: skip


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
    return "-" if value is None else str(value)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    lines = [f"| {' | '.join(COLUMNS.values())} |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(_cell(row[key]) for key in COLUMNS) + " |" for row in rows]
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--out", type=Path, help="write gpu.json, gpu.csv and gpu.md to this folder"
    )
    parser.add_argument("--models", nargs="+", choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--seconds", type=float, default=Sizes.seconds, help="of a measurement")
    parser.add_argument("--budget", type=float, default=420, help="bound the total seconds")
    parser.add_argument("--batch", type=int, help="set the batch size (default: the recipe's)")
    parser.add_argument("--frames", type=int, help="set T, except for csta_cnn")
    parser.add_argument("--size", type=int, default=Sizes.size, help="set the pixels of videos")
    parser.add_argument("--width", type=float, default=Sizes.width, help="shrink pose_i3d")
    parser.add_argument(
        "--peak-tflops",
        type=float,
        nargs=2,
        metavar=("FLOAT32", "BFLOAT16"),
        help="set the chip's peak of dense products (default: that of known chips)",
    )
    parser.add_argument("--no-twins", action="store_true", help="leave the twins out")
    parser.add_argument("--no-compile", action="store_true", help="twins without torch.compile")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.measure:
        peer, model, sizes = options.measure
        PEERS[peer](model, Sizes(**json.loads(sizes)))
        return

    start = time.monotonic()
    sizes = Sizes(
        options.seconds, options.batch, options.frames, options.size, options.width,
        compile_twins=not options.no_compile,
    )  # fmt: skip
    peers, notes = list(PEERS), []
    if options.no_twins or find_spec("torch") is None:
        why = "--no-twins" if options.no_twins else "PyTorch is not installed"
        peers, notes = ["ours"], [f"no twins: {why}"]
    rows: list[dict[str, Any]] = []
    raw: list[dict[str, Any]] = []
    chip, peak = "unknown", peak_of("", options.peak_tflops)
    jobs = [(model, peer) for model in options.models for peer in peers]
    found: dict[str, list[dict]] = {}
    for number, (model, peer) in enumerate(jobs):
        left = options.budget - (time.monotonic() - start)
        if left < min(LEAST, options.budget / 2):
            notes.append(f"{model}, {peer}: not measured (--budget)")
            continue
        # A process may take twice its share of what is left; most take less.
        share = min(left, 2 * left / (len(jobs) - number))
        found[peer], why = measured(peer, model, sizes, share)
        if why:
            notes.append(f"{model}, {peer}: {why}")
        for row in found[peer]:
            raw.append({"model": model, "peer": peer, **row})
            if "failed" in row:
                notes.append(f"{model}, {peer}, {row['what']}, {row['precision']}: {row['failed']}")
            if "chip" in row:
                chip, peak = row["chip"], peak_of(row["chip"], options.peak_tflops)
        print(f"{model}, {peer}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        if peer == peers[-1]:
            ours = found.pop("ours", [])
            rows += table_rows(model, sizes, ours, found.pop("twin", []), peak)

    text = "\n".join(
        [
            markdown(rows),
            "",
            f"{chip}; {machine('jax', 'keras', 'torch')}",
            f"peak, TFLOP/s: {peak or 'unknown (--peak-tflops)'}; "
            f"{time.monotonic() - start:.0f} s in total",
            *notes,
        ]
    )
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "gpu.md").write_text(text + "\n")
        content = {
            "chip": chip, "machine": machine("jax", "jaxlib", "keras", "torch"), "peak": peak,
            "sizes": asdict(sizes), "notes": notes, "rows": rows, "measurements": raw,
        }  # fmt: skip
        (options.out / "gpu.json").write_text(json.dumps(content, indent=1) + "\n")
        with (options.out / "gpu.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0] if rows else COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    if not rows:
        raise SystemExit("nothing was measured")


if __name__ == "__main__":
    main()
