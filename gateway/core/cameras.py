"""What a camera's own point says: that it sees, or why it cannot be relied on."""

from __future__ import annotations

SEES = "sees"
NO_FRAMES, NO_MODEL, OVERDUE, SLOW = "no_frames", "no_model", "overdue", "slow"
FROZEN, BLACK, WASHED_OUT, BLURRED, COVERED, MOVED = "frozen", "black", "washed_out", "blurred", "covered", "moved"

TROUBLES: dict[str, tuple[str, str]] = {  # in Chinese and English
    NO_FRAMES: ("无视频信号", "no pictures"),
    FROZEN: ("画面静止", "picture frozen"),
    BLACK: ("画面全黑", "picture black"),
    WASHED_OUT: ("画面过曝", "picture washed out"),
    BLURRED: ("画面模糊", "picture out of focus"),
    COVERED: ("镜头被遮挡或喷涂", "lens covered or sprayed"),
    MOVED: ("摄像机被移位", "camera moved"),
    NO_MODEL: ("识别模型不可用", "no model"),
    OVERDUE: ("画面未及时识别", "pictures not judged in time"),
    SLOW: ("识别帧率过低", "too few pictures judged"),
}
TAMPERED = frozenset({COVERED, MOVED})
FAULTY = frozenset(TROUBLES) - TAMPERED
BLIND = frozenset(TROUBLES) - {SLOW}  # slow is judged all the same; the vision process takes it for blind where hardly any picture is


def words(trouble: str, detail: str = "") -> str:
    """The reason of a reading, in both languages. detail: what a technician wants to know beyond it."""
    zh, en = TROUBLES[trouble]
    return f"{zh} ({en}){': ' if detail else ''}{detail}"
