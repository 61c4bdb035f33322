"""Checks many site files with the checker of `campus-gateway check`, in as many processes as there are processors."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.settings import ConfigRefused, Problem
from gateway.fleet.lacks import Missing, missing_of

if TYPE_CHECKING:
    from gateway.config.profiles import Profile

ALONE_MOST = 24  # files; for so few it is not worth starting a process
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Judged:
    """What the checker says of one file: errors, warnings, and what the policies ask for and it does not have."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


def judge_file(file: str) -> Judged:
    """One file, as `campus-gateway check` judges it."""
    from gateway.config.load import load_site
    from gateway.runtime.check_models import judge_model
    from gateway.runtime.promises import judge_site

    try:
        settings = load_site(file)
    except ConfigRefused as refused:
        return Judged(refused.problems)
    problems, doubts = judge_model(settings)
    judged = judge_site(settings) if not problems else None
    if judged is not None:
        problems, doubts = judged.problems, [*doubts, *judged.warnings]
    return Judged(problems, [*settings.warnings, *doubts], missing_of(settings))


def judge_files(files: Sequence[Path], processes: int | None = None) -> Iterator[Judged]:
    """One after the other, in the order of the files. processes: as many as there are processors if left out."""
    names = [str(file) for file in files]
    wanted = min(processes or os.cpu_count() or 1, len(names))
    if wanted < 2 or (processes is None and len(names) <= ALONE_MOST):
        yield from map(judge_file, names)
        return
    with ProcessPoolExecutor(wanted, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(judge_file, names, chunksize=_BATCH)


@lru_cache(maxsize=512)
def profile_of(name: str, folders: tuple[Path, ...] = ()) -> Profile:
    """A device profile by its id. Raises ValueError."""
    from gateway.config.load import load_profile, profile_files
    from gateway.config.problems import unknown

    files = profile_files(list(folders))
    if name not in files:
        raise ValueError(unknown("a device profile", name[:60], files) + "; campus-gateway devices lists them")
    try:
        return load_profile(files[name])
    except ConfigRefused as refused:
        raise ValueError(str(refused)) from refused
