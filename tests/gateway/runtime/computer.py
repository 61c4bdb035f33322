"""Another computer as a folder of files: what its kernel tells under /proc and /sys."""

from __future__ import annotations

from pathlib import Path

MOUNTS = "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/nvme0n1p1 /var/lib ext4 rw,relatime 0 0\n"


def computer(root: Path, **files: str) -> Path:
    """A Raspberry Pi on which all is well, but for these files (path with __ for /)."""
    told = {
        "proc/mounts": MOUNTS,
        "proc/meminfo": "MemTotal:        4000000 kB\nMemAvailable:    3000000 kB\n",
        "proc/uptime": "3600.5 7000.1\n",
        "proc/sys/kernel/osrelease": "6.12.0-rpi\n",
        "proc/device-tree/model": "Raspberry Pi 5 Model B\0",
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n',
        "sys/block/mmcblk0/device/life_time": "0x02 0x03\n",
        "sys/block/mmcblk0/device/pre_eol_info": "0x01\n",
        "sys/block/mmcblk0/device/type": "MMC\n",
        "sys/block/mmcblk0boot0/size": "8192\n",
        "sys/fs/ext4/mmcblk0p2/errors_count": "0\n",
        "sys/fs/ext4/nvme0n1p1/errors_count": "0\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
        "sys/class/thermal/thermal_zone0/temp": "48200\n",
        "sys/class/watchdog/watchdog0/identity": "Broadcom BCM2835 Watchdog timer\n",
        "sys/class/rtc/rtc0/name": "rpi-rtc\n",
        "proc/412/comm": "systemd-timesyn\n",
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
    }
    told |= {name.replace("__", "/"): text for name, text in files.items()}
    for name, text in told.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (root / "var/lib/campus-gateway").mkdir(parents=True, exist_ok=True)
    return root
