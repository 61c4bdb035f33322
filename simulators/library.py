"""Profiles of all protocols, by their id or from a file."""

from __future__ import annotations

from pathlib import Path

from simulators import frame_profile, profiles, reader_device
from simulators.errors import SimError
from simulators.frame_profile import FrameProfile
from simulators.profiles import Profile
from simulators.reader_device import ReaderProfile

AnyProfile = Profile | FrameProfile | ReaderProfile


def load_any(profile_id: str, folders: list[Path], address_offset: int = 0) -> AnyProfile:
    """Profile `profile_id` from the first folder that has it. SimError when none has, or when it cannot be read."""
    return read_any(profiles.find(profile_id, folders), address_offset)


def read_any(path: Path, address_offset: int = 0) -> AnyProfile:
    """Profile from one file, by the protocol that it names. address_offset: of a Modbus device's addresses."""
    data = profiles.read_toml(path)
    try:
        match data.get("protocol", "modbus"):
            case "modbus":
                return profiles.parse(data, address_offset)
            case "frames":
                return frame_profile.parse(data)
            case "osdp":
                return reader_device.parse(data)
            case "gpio":
                raise SimError(f"{path}: a board's own contacts cannot be simulated on a wire")
            case other:
                raise ValueError(f"protocol {other!r} is unknown")
    except KeyError as error:
        raise SimError(f"{path}: {error.args[0]} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise SimError(f"{path}: {error}") from error
