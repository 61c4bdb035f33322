"""What is wrong with the computer itself, judged from its facts: clock, disk, card, power, heat, watchdog. Pure.

How the system on it is set up: doctor_setup.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.runtime.board_facts import BoardFacts, Card, Disk
from gateway.runtime.doctor_setup import judge_setup
from gateway.runtime.findings import Finding, soon, unknown, wrong

MB = 1_000_000
LITTLE_BYTES, TOO_LITTLE_BYTES = 1000 * MB, 200 * MB  # free on the disk of the journal
LITTLE_MEMORY_BYTES = 100 * MB
HOT_C, TOO_HOT_C = 70.0, 80.0  # from 80 degrees on a Raspberry Pi slows itself down
WORN, WORN_OUT = 0.7, 0.9  # of the life of a card, by its own word
NEAR_PASSIVE_C = 10.0  # below the temperature at which the kernel slows the processor down
CHIP_OFF_S = 60.0
BATTERY_LOW_V = 2.5  # of a lithium cell of 3 V


def judge_board(facts: BoardFacts, clock: str, ports: Collection[str] = ()) -> Iterator[Finding]:
    """Everything. clock: its quality, as of `runtime.clock`; ports: the serial ports of the site file, as /dev names without links."""
    yield from judge_clock(facts, clock)
    yield from judge_disk(facts.disk)
    for card in facts.cards:
        yield from _card(card)
    yield from _power(facts)
    if facts.memory_available_bytes is not None and facts.memory_available_bytes < LITTLE_MEMORY_BYTES:
        yield soon(
            "memory",
            f"可用内存只剩 {facts.memory_available_bytes // MB} MB",
            f"only {facts.memory_available_bytes // MB} MB of memory are available",
            "减少摄像机或识别帧率，或更换内存更大的主机",
            "fewer cameras or a lower analysed_fps, or a computer with more memory",
        )
    yield from _watchdog(facts)
    yield from judge_setup(facts.setup, clock, ports)


def _watchdog(facts: BoardFacts) -> Iterator[Finding]:
    if facts.watchdog and facts.watchdog_armed is False:
        yield soon(
            "watchdog",
            f"硬件看门狗（{facts.watchdog}）没有启用：系统死机后不会自行重启",
            f"nobody feeds the hardware watchdog ({facts.watchdog}): a hung computer stays hung",
            "/etc/systemd/system.conf.d/ 中写 RuntimeWatchdogSec=15，再 systemctl daemon-reexec",
            "write RuntimeWatchdogSec=15 in /etc/systemd/system.conf.d/, then systemctl daemon-reexec",
        )
    if not facts.watchdog:
        yield unknown(
            "watchdog",
            "没有发现硬件看门狗",
            "no hardware watchdog was found",
            "树莓派：config.txt 中加 dtparam=watchdog=on；否则系统死机后不会自行重启",
            "Raspberry Pi: dtparam=watchdog=on in config.txt; without one a hung computer stays hung",
        )


def judge_clock(facts: BoardFacts, clock: str) -> Iterator[Finding]:
    """The wall clock, and what sets it after a power cut."""
    if clock == "unknown":
        yield wrong(
            "clock",
            "时钟从未校准：事件的时间不可信，证书有效期不检查",
            "the clock was never set: times of events cannot be believed, dates of certificates are not checked",
            "检查网络与 NTP 服务器（timedatectl timesync-status）",
            "look at the network and the NTP server (timedatectl timesync-status)",
        )
    elif clock != "synchronised":
        yield soon(
            "clock",
            "时钟未与 NTP 同步",
            "the clock is not synchronised",
            "检查 NTP 服务器（timedatectl timesync-status）",
            "look at the NTP server (timedatectl timesync-status)",
        )
    if not facts.clock_chip:
        yield soon(
            "clock",
            "没有带电池的实时时钟：断电后到联网前时间不明",
            "no battery-backed clock chip: after a power cut the time is unknown until the network is back",
            "加装实时时钟模块（树莓派 5：装上 RTC 电池）",
            "add a real-time clock (Raspberry Pi 5: fit its battery)",
        )
    battery_v, off_s = facts.setup.clock_battery_v, facts.setup.clock_chip_off_s
    if facts.clock_chip and battery_v is not None and battery_v < BATTERY_LOW_V:
        yield soon(
            "clock",
            f"实时时钟没有电池或电池将尽（{battery_v:.1f} V）",
            f"the clock chip has no battery, or an empty one ({battery_v:.1f} V)",
            "装上或更换 RTC 电池；可充电电池要在 config.txt 中写 dtparam=rtc_bbat_vchg=3000000",
            "fit or replace its battery; one that is charged needs dtparam=rtc_bbat_vchg=3000000 in config.txt",
        )
    if clock == "synchronised" and off_s is not None and abs(off_s) > CHIP_OFF_S:
        yield soon(
            "clock",
            f"实时时钟与系统时间相差 {abs(off_s):.0f} 秒",
            f"the clock chip is {abs(off_s):.0f} s off",
            "hwclock --systohc --utc；再次出现则更换电池",
            "hwclock --systohc --utc; when it comes again, replace the battery",
        )


def judge_disk(disk: Disk) -> Iterator[Finding]:
    """The disk on which the journal lies."""
    mount = disk.mount
    where = "disk" if mount is None else f"disk {mount.folder}"
    if mount is None:
        yield unknown(
            where, "不知道状态目录在哪个磁盘上", "it is not known on which disk the state folder lies", "看 findmnt", "see findmnt"
        )
    elif mount.read_only:
        yield wrong(
            where,
            "文件系统只读：事件无法存盘",
            "the file system is read-only: no event can be stored",
            "看 dmesg；磁盘可能已坏，先备份再检查（fsck）或更换",
            "see dmesg; the disk may be failing: save what is on it, then fsck or replace it",
        )
    elif mount.kind == "overlay" and disk.vanishes is None:
        yield unknown(
            where,
            "状态目录在 overlay 上，看不出写入的内容存在哪里",
            "the state folder lies on an overlay, and it cannot be seen where that keeps what is written",
            "把 state_dir 放到单独的可写分区（docs/boards.md）",
            "put state_dir on a writable partition of its own (docs/boards.md)",
        )
    elif mount.kind == "overlay" and disk.vanishes:
        yield wrong(
            where,
            "状态目录在只读系统的临时层（overlay）上：重启后全部丢失",
            "the state folder lies on the overlay of a read-only system: a restart loses everything",
            "把 state_dir 放到单独的可写分区（docs/boards.md）",
            "put state_dir on a writable partition of its own (docs/boards.md)",
        )
    elif disk.vanishes:
        yield wrong(
            where,
            f"状态目录在内存中（{mount.kind}）：断电后全部丢失",
            f"the state folder lies in memory ({mount.kind}): a power cut loses everything",
            "把 state_dir 放到磁盘上",
            "put state_dir on a disk",
        )
    if disk.errors:
        yield wrong(
            where,
            f"文件系统记录了 {disk.errors} 个错误",
            f"the file system has counted {disk.errors} errors",
            "备份，检查（fsck -f），更换存储卡",
            "save what is on it, fsck -f, replace the card",
        )
    if disk.slack:
        yield wrong(
            where,
            f"挂载选项 {'、'.join(disk.slack)}：断电可能丢失已存盘的事件",
            f"mounted with {', '.join(disk.slack)}: a power cut may lose events that were stored",
            "在 /etc/fstab 中去掉这些选项，重启",
            "take these options out of /etc/fstab and restart",
        )
    yield from _room(disk, where)


def _room(disk: Disk, where: str) -> Iterator[Finding]:
    todo = (
        "删除无关文件，或减小 [storage]、[vision] 的限额",
        "remove what does not belong here, or lower the limits of [storage] and [vision]",
    )
    free = disk.free_bytes // MB
    if disk.free_bytes < TOO_LITTLE_BYTES:
        yield wrong(where, f"磁盘只剩 {free} MB", f"only {free} MB are free", *todo)
    elif disk.free_bytes < LITTLE_BYTES:
        yield soon(where, f"磁盘只剩 {free} MB", f"only {free} MB are free", *todo)
    if disk.files and disk.free_files < disk.files * 0.02:
        yield soon(where, f"只能再建 {disk.free_files} 个文件", f"room for {disk.free_files} more files only", *todo)


def _card(card: Card) -> Iterator[Finding]:
    made = ", ".join(filter(None, (card.maker, f"made {card.made}" if card.made else "")))
    where = f"{card.kind} {card.name}{f' ({made})' if made else ''}"
    todo = "尽快更换存储卡（先备份状态目录）", "replace the card soon (save the state folder first)"
    if card.used_ratio is None and not card.end_near:
        todo = "定期更换存储卡；工业级或 eMMC 会报告寿命", "replace it from time to time; industrial cards and eMMC tell their wear"
        yield unknown(where, "存储卡不报告寿命", "the card does not tell its wear", *todo)
    elif card.end_near or (card.used_ratio or 0) >= WORN_OUT:
        yield wrong(where, "存储卡寿命将尽，按它自己的报告", "the card is near the end of its life, by its own word", *todo)
    elif (card.used_ratio or 0) >= WORN:
        yield soon(
            where, f"存储卡寿命已用 {card.used_ratio:.0%}", f"{card.used_ratio:.0%} of the card's life are used, by its own word", *todo
        )


def _power(facts: BoardFacts) -> Iterator[Finding]:
    if facts.under_voltage is None:
        yield unknown(
            "power",
            "本机不报告供电电压",
            "this computer does not tell whether its voltage is low",
            "树莓派：vcgencmd get_throttled",
            "Raspberry Pi: vcgencmd get_throttled",
        )
    elif facts.under_voltage:
        yield wrong(
            "power",
            "供电电压过低（现在或开机以来）",
            "the voltage is, or since it was switched on has been, too low",
            "更换电源和电源线（树莓派 5：5 V 5 A），减少 USB 负载",
            "another power supply and cable (Raspberry Pi 5: 5 V 5 A), less load on USB",
        )
    if facts.throttled:
        yield soon(
            "power",
            "开机以来降过频（过热或欠压）",
            "it has slowed itself down since it was switched on (heat or low voltage)",
            "检查散热与电源",
            "look at cooling and power supply",
        )
    hot_c, too_hot_c = (HOT_C, TOO_HOT_C) if facts.passive_c is None else (facts.passive_c - NEAR_PASSIVE_C, facts.passive_c)
    if facts.temperature_c is not None and facts.temperature_c >= hot_c:
        make = wrong if facts.temperature_c >= too_hot_c else soon
        yield make(
            "temperature",
            f"处理器 {facts.temperature_c:.0f} °C",
            f"the processor is at {facts.temperature_c:.0f} degrees Celsius",
            "检查风扇、机箱通风与阳光直射",
            "look at the fan, the air around the box, the sun on it",
        )
