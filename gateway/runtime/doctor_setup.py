"""What is wrong with how the system on the computer is set up, judged from its facts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.runtime.board_setup import KernelLog, Setup
from gateway.runtime.findings import Finding, soon, wrong

ENTROPY_LEAST_BITS = 128  # kernels from 5.18 on always say 256


def judge_setup(setup: Setup, clock: str, ports: Collection[str] = ()) -> Iterator[Finding]:
    """Everything but the clock chip, which `judge_clock` has. clock, ports: as for `judge_board`."""
    yield from _system(setup, clock)
    for name in setup.card_swap:
        yield soon(
            "swap",
            f"交换区在存储卡上（{name}）：磨损存储卡，并使系统停顿",
            f"swap lies on the card ({name}): it wears the card and stalls the system",
            "关闭：swapoff -a，树莓派再 systemctl disable --now dphys-swapfile；或改用 zram",
            "switch it off: swapoff -a, on a Raspberry Pi systemctl disable --now dphys-swapfile; or use zram",
        )
    for name in sorted(set(setup.consoles) & set(ports)):
        yield wrong(
            name,
            "内核控制台占用了本站使用的串口",
            "the kernel's console speaks on this port, which the site file uses",
            "从启动参数中去掉对应的 console=（树莓派：raspi-config 关闭串口登录），重启",
            "take its console= out of the kernel's command line (Raspberry Pi: raspi-config, no login over serial), restart",
        )
    if setup.kernel_log is not None:
        yield from _kernel_log(setup.kernel_log)


def _system(setup: Setup, clock: str) -> Iterator[Finding]:
    if setup.memory_limits is False:
        yield soon(
            "memory",
            "内核没有启用内存限额（cgroup memory）：服务的 MemoryMax 不起作用",
            "the kernel limits no memory (cgroup controller off): MemoryMax of the units does nothing",
            "树莓派：cmdline.txt 末尾加 cgroup_enable=memory，重启",
            "Raspberry Pi: add cgroup_enable=memory at the end of cmdline.txt, restart",
        )
    if not setup.time_service and clock != "synchronised":  # a host or another program may set it
        yield soon(
            "clock",
            "没有运行校时服务",
            "no service sets the time",
            "安装并启用 systemd-timesyncd 或 chrony",
            "install and start systemd-timesyncd or chrony",
        )
    if setup.entropy_bits is not None and setup.entropy_bits < ENTROPY_LEAST_BITS:
        yield soon(
            "random",
            f"随机数熵只有 {setup.entropy_bits} 位：开机后建立加密连接可能很慢",
            f"only {setup.entropy_bits} bits of entropy: encrypted links may be slow to start",
            "启用硬件随机数（rng-tools），或更新内核",
            "use the hardware's random source (rng-tools), or a newer kernel",
        )


def _kernel_log(log: KernelLog) -> Iterator[Finding]:
    if log.made_read_only:
        yield wrong(
            "disk",
            f"内核日志：{log.made_read_only} 次因错误改为只读",
            f"the kernel's log: made read-only after an error, {log.made_read_only} times",
            "看 dmesg；备份，检查（fsck -f），更换存储卡",
            "see dmesg; save what is on it, fsck -f, replace the card",
        )
    if log.io_errors:
        yield wrong(
            "disk",
            f"内核日志中有 {log.io_errors} 个读写错误",
            f"{log.io_errors} read or write errors in the kernel's log",
            "看 dmesg；备份，更换存储卡或磁盘及其接线",
            "see dmesg; save what is on it, replace the card or the disk and its cable",
        )
    if log.under_voltage:
        yield wrong(
            "power",
            f"内核日志：开机以来 {log.under_voltage} 次欠压",
            f"the kernel's log: the voltage was too low {log.under_voltage} times since it was switched on",
            "更换电源和电源线（树莓派 5：5 V 5 A），减少 USB 负载",
            "another power supply and cable (Raspberry Pi 5: 5 V 5 A), less load on USB",
        )
