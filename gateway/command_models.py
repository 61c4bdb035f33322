"""The command line for neural networks: campus-gateway models list, bench, add, eval."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.judge import Result, Speed
    from models.picture import Region
    from models.runner import Detector

EPILOG = """examples:
  campus-gateway models                                          what there is, and what would run it here
  campus-gateway models bench                                    how many cameras this machine can watch
  campus-gateway models add my-model.zip                         check, try and install a model of your own
  campus-gateway models eval --images photos --boxes labels      how good it is on pictures of your own gate
  campus-gateway models eval --images clip.mp4 --boxes gt.txt --every 5 --json
A model of your own: a folder or a zip with manifest.toml, the ONNX file and fixtures/ (docs/models.md)."""

DEFAULT = "nanodet-g-person-int8"
TOLD_EACH_S = 5.0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: str) -> None:
    """Add `models` to the command line."""
    models = commands.add_parser(
        "models",
        help="neural networks: list, bench, add one of your own, judge one on labelled pictures",
        description="The networks that find people and vehicles in pictures.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    models.set_defaults(handler=_list, json=False, state_dir=None, config=site)
    words = models.add_subparsers(metavar="COMMAND")

    listing = words.add_parser("list", help="all models, and what onnxruntime would run them on")
    listing.set_defaults(handler=_list)
    bench = words.add_parser(
        "bench",
        help="how long one picture takes here, and how many cameras that is",
        description="Times whole pictures (scaling, inference, decoding) with 1, 2, ... threads.",
    )
    bench.set_defaults(handler=_bench)
    bench.add_argument("--runs", type=_count, default=100, metavar="N", help="pictures for each number of threads; default: 100")
    bench.add_argument("--picture", type=_size, default=(640, 360), metavar="WxH", help="size of the camera's pictures; default: 640x360")
    bench.add_argument("--fps", type=float, default=5.0, metavar="F", help="analysed pictures a second and camera; default: 5")
    adding = words.add_parser(
        "add",
        help="check, try and install a model of your own",
        description="Reads a model's folder or zip, checks its manifest and its digest, runs its self-test, and installs it beside the\n"
        'journal (STATE_DIR/models/ID), where [vision] model = "ID" finds it.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    adding.set_defaults(handler=_add)
    adding.add_argument("file", metavar="FOLDER_OR_ZIP")
    adding.add_argument("--replace", action="store_true", help="take the place of an installed model of the same id")
    judge = words.add_parser(
        "eval",
        help="how good a model is on labelled pictures",
        description="Runs a model over labelled pictures of people and tells average precision at an overlap of 0.5 (ap50; ap50_big:\n"
        "people of at least a tenth of the picture's height), recall and precision at its working threshold, false people for each\n"
        "picture without any, and the time of one picture.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    judge.set_defaults(handler=_eval)
    judge.add_argument("--images", required=True, type=Path, metavar="DIR|CLIP", help="folder of pictures, or one clip")
    judge.add_argument(
        "--boxes", required=True, type=Path, metavar="PATH", help="COCO JSON or folder of YOLO texts; for a clip its boxes in MOT form"
    )
    judge.add_argument("--only", default="*", metavar="PATTERN", help="pictures whose name suits, for example 'val_*'")
    judge.add_argument("--every", type=_count, default=1, metavar="N", help="each Nth picture only")
    judge.add_argument("--region", type=_region, metavar="X1,Y1,X2,Y2", help="look at (and count people in) this part only; shares 0..1")
    judge.add_argument("--two-scales", action="store_true", help="look again with an input a quarter larger")
    for each in (bench, judge):
        each.add_argument("--model", default=DEFAULT, metavar="ID|FOLDER", help=f"default: {DEFAULT}")
        each.add_argument("--input", type=_input, metavar="W[xH]", help="the network's input; default: the model's, high as pictures want")
    judge.add_argument("--threads", type=_count, default=1, metavar="N", help="of one inference; default: 1")
    bench.add_argument("--threads", type=_count, metavar="N", help="up to so many; default: as many as processors")
    for each in (listing, bench, adding, judge):
        each.add_argument("--json", action="store_true", help="one line of JSON")
        each.add_argument("--config", metavar="SITE.toml", default=site, help="site file that names the state folder")
        each.add_argument("--state-dir", metavar="DIR", help="where installed models are; default: state_dir of the site file")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a whole number from 1")
    return number


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and min(int(width), int(height)) >= 32):
        raise argparse.ArgumentTypeError("expected WIDTHxHEIGHT in pixels, for example 640x360")
    return int(width), int(height)


def _input(text: str) -> tuple[int, int | None]:
    width, cross, height = text.partition("x")
    sizes = [width, height] if cross else [width]
    if not all(each.isdigit() and 32 <= int(each) <= 1280 and int(each) % 32 == 0 for each in sizes):
        raise argparse.ArgumentTypeError("expected WIDTH or WIDTHxHEIGHT in pixels, multiples of 32 up to 1280, for example 416x320")
    return int(width), int(height) if cross else None


def _region(text: str) -> Region:
    try:
        left, top, right, bottom = (float(word) for word in text.split(","))
    except ValueError:
        left = top = right = bottom = -1.0
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise argparse.ArgumentTypeError("expected left,top,right,bottom in shares of the picture, for example 0.1,0.2,0.9,1")
    return left, top, right, bottom


def _fail(text: object) -> int:
    sys.stderr.write(f"campus-gateway models: {text}\n")
    return 1


def _without_vision(error: ImportError) -> int:
    return _fail(f"needs the packages of the extra `vision`: {error}")


def _installed(arguments: argparse.Namespace) -> Path | None:
    """Folder of the installed models; None where neither --state-dir nor a site file says where."""
    from models.manifest import FOLDER_NAME

    if arguments.state_dir:
        return Path(arguments.state_dir) / FOLDER_NAME
    if not Path(arguments.config).is_file():
        return None
    from gateway.config.load import load_site

    return load_site(arguments.config).state_dir / FOLDER_NAME


def _list(arguments: argparse.Namespace) -> int:
    from gateway.config.settings import ConfigRefused
    from gateway.core.errors import ModelRefused

    try:
        from models.store import known
    except ImportError as error:
        return _without_vision(error)
    try:
        rows = known(_installed(arguments))
    except (ConfigRefused, ModelRefused) as refused:
        return _fail(refused)
    from models.providers import RUN_AND_TESTED
    from models.runner import offered

    here = offered()
    if arguments.json:
        print(
            json.dumps({"models": [row.as_json() for row in rows], "providers": here, "tested": list(RUN_AND_TESTED)}, ensure_ascii=False)
        )
        return 1 if any(row.problem for row in rows) else 0
    for row in rows:
        print(f"{row.id}{'  (default)' if row.id == DEFAULT else ''}{'' if row.shipped else '  (installed here)'}")
        if row.problem:
            print(f"  cannot be used: {row.problem}")
            continue
        print(f"  finds {' and '.join(row.kinds)}; {row.decoder}, input {row.input}, {row.size_mb:.1f} MB, {row.licence}")
        print(f"  thresholds: start {row.start:.2f}, keep {row.keep:.2f}; runs on {row.provider or 'nothing that is here'}")
        print(f"  {row.folder}")
    print(f"onnxruntime here offers {', '.join(here)}")
    print(f"Run and tested: {', '.join(RUN_AND_TESTED)}. All others (CUDA, TensorRT, XNNPACK, ACL ...) are untested.")
    return 1 if any(row.problem for row in rows) else 0


def _detector(arguments: argparse.Namespace, threads: int) -> Detector:
    from models.runner import load

    return load(arguments.model, threads=threads, installed=_installed(arguments))


def _bench(arguments: argparse.Namespace) -> int:
    import os

    from gateway.config.settings import ConfigRefused
    from gateway.core.errors import ModelRefused

    try:
        import numpy as np

        from models.judge import speed
    except ImportError as error:
        return _without_vision(error)
    cores = len(os.sched_getaffinity(0))
    width, height = arguments.picture
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    input_px, input_height_px = arguments.input or (None, None)
    speeds = []
    try:
        for threads in range(1, (arguments.threads or cores) + 1):
            detector = _detector(arguments, threads)
            speeds.append(speed(detector, picture, arguments.runs, width_px=input_px, height_px=input_height_px))
    except (ConfigRefused, ModelRefused) as refused:
        return _fail(refused)
    told = {
        "model": detector.info.id,
        "provider": detector.info.provider,
        "picture": f"{width}x{height}",
        "cores": cores,
        "fps": arguments.fps,
    }
    if arguments.json:
        print(json.dumps({**told, "speeds": [each.as_json(arguments.fps) for each in speeds]}))
        return 0
    print(f"{told['model']} on {told['provider']}, pictures of {told['picture']}, {cores} processors, {arguments.runs} pictures each")
    print("threads    p50 ms    p95 ms    RSS MB    pictures/s    cameras")
    for each in speeds:
        cameras = each.cameras(arguments.fps)
        print(f"{each.threads:7}{each.p50_ms:10.1f}{each.p95_ms:10.1f}{each.rss_mb:10.0f}{each.pictures_per_s:14.0f}{cameras:11}")
    print(_meaning(speeds, arguments.fps))
    return 0


def _meaning(speeds: list[Speed], fps: float) -> str:
    best = max(speeds, key=lambda each: each.pictures_per_s)
    cameras = best.cameras(fps)
    setting = f"[vision] threads = {best.threads}"
    if not cameras:
        return f"No camera fits at {fps:g} analysed pictures a second: a smaller input, fewer pictures, or another machine is needed."
    return (
        f"With {setting} the detector keeps up with {cameras} camera{'s' if cameras > 1 else ''} of {fps:g} analysed pictures a second,\n"
        "all of them seeing motion all the time; decoding the streams comes on top. A quiet scene is hardly looked at.\n"
        "Reckoned with the slow pictures (p95) and a fifth of the time to spare."
    )


def _add(arguments: argparse.Namespace) -> int:
    from gateway.config.settings import ConfigRefused
    from gateway.core.errors import ModelRefused

    try:
        from models.store import add as install
    except ImportError as error:
        return _without_vision(error)
    try:
        installed = _installed(arguments)
        if installed is None:
            return _fail(f"{arguments.config} is not there: say where the state folder is with --config or --state-dir")
        info, folder = install(Path(arguments.file), installed, replace=arguments.replace)
    except (ConfigRefused, ModelRefused) as refused:
        return _fail(refused)
    if arguments.json:
        print(json.dumps({"id": info.id, "folder": str(folder), "sha256": info.sha256, "provider": info.provider, "kinds": info.kinds}))
        return 0
    print(f"{info.id}: installed in {folder}; its self-test passed on {info.provider}")
    print(f'Use it with [vision] model = "{info.id}"; judge it first on pictures of your own gate: campus-gateway models eval')
    return 0


def _eval(arguments: argparse.Namespace) -> int:
    from gateway.config.settings import ConfigRefused
    from gateway.core.errors import ModelRefused

    try:
        from models.judge import evaluate
        from models.labelled import LabelsRefused, open_set
    except ImportError as error:
        return _without_vision(error)
    width_px, height_px = arguments.input or (None, None)
    try:
        labelled = open_set(arguments.images, arguments.boxes, only=arguments.only, every=arguments.every)
        detector = _detector(arguments, arguments.threads)
        progress = _progress(labelled.count)
        how = {"width_px": width_px, "height_px": height_px, "region": arguments.region, "two_scales": arguments.two_scales}
        result = evaluate(detector, labelled, **how, told=progress)
    except (ConfigRefused, ModelRefused, LabelsRefused) as refused:
        return _fail(refused)
    for note in labelled.notes:
        sys.stderr.write(f"note: {note}\n")
    print(json.dumps(result.as_json()) if arguments.json else "\n".join(_table(result)))
    return 0


def _progress(count: int) -> Any:
    """Tells on standard error how far it is, each five seconds."""
    import time

    last_s = time.monotonic()

    def told(done: int) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= TOLD_EACH_S:
            last_s = time.monotonic()
            sys.stderr.write(f"{done} of {count} pictures\n")

    return told


def _table(result: Result) -> list[str]:
    got = result.figures

    def line(name: str, value: float | None, meaning: str, form: str = ".3f") -> str:
        return f"  {name:16}{'-' if value is None else format(value, form):>8}  {meaning}"

    return [
        f"{result.model} on {result.provider}, {result.threads} thread{'s' if result.threads > 1 else ''}:"
        f" {got.pictures} pictures, {got.people} people, {got.empty} pictures without people",
        line("ap50", got.ap50, "average precision, overlap 0.5, all people"),
        line("ap50_big", got.ap50_big, "the same, people of at least a tenth of the picture's height"),
        line("recall", got.recall, f"share of the people found at the working threshold {result.threshold:.2f}"),
        line("precision", got.precision, "share of what was found there that is a person"),
        line("false_per_empty", got.false_per_empty, "false people for each picture without people"),
        line("latency_ms", result.latency_ms, "time of one picture, median", ".1f"),
    ]
