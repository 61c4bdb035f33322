"""What the page says, in both languages. A test holds that every key is used, and every used key is here."""

from __future__ import annotations

from gateway.core.cameras import SEES, TROUBLES

LANGUAGES = ("zh", "en")

WORDS: dict[str, tuple[str, str]] = {
    "title": ("校园报警值守", "School alarm desk"),
    "sign_in": ("登录", "Sign in"),
    "sign_out": ("退出", "Sign out"),
    "name": ("姓名", "Name"),
    "password": ("密码", "Password"),
    "other_language": ("English", "中文"),
    "wrong": ("姓名或密码不正确", "Name or password is not right"),
    "locked": ("尝试次数过多，请稍后再试", "Too many wrong tries, wait a while"),
    "no_accounts": (
        "还没有账户：请技术人员执行 campus-gateway account add",
        "There are no accounts yet: a technician runs campus-gateway account add",
    ),
    "again": ("请再次输入密码以继续操作", "Enter your password again to go on"),
    "confirm": ("确定", "OK"),
    "cancel": ("取消", "Cancel"),
    "away": ("与报警主机失去联系：画面可能已过时", "The alarm daemon does not answer: what you see may be out of date"),
    "lost": ("页面与本机的连接中断，正在重连……", "The page has lost its connection, trying again …"),
    "quiet": ("无报警", "No alarms"),
    "alarms": ("报警", "Alarms"),
    "faults": ("故障", "Faults"),
    "set_aside": ("搁置与停用", "Set aside"),
    "no_faults": ("无故障", "No faults"),
    "who": ("负责人", "Responsible"),
    "look": ("看现场画面", "See the cameras"),
    "taken_by": ("确认人", "Taken by"),
    "way": ("送达", "Proof"),
    "acknowledge": ("确认", "Acknowledge"),
    "reset": ("复位", "Reset"),
    "shelve": ("搁置", "Shelve"),
    "unshelve": ("取消搁置", "Unshelve"),
    "silence": ("消音", "Silence"),
    "why": ("原因", "Reason"),
    "for_1h": ("搁置 1 小时", "Shelve for 1 h"),
    "sound_on": ("点此开启声音", "Touch to switch the sound on"),
    "duties": ("值守与巡逻", "Duties"),
    "no_duties": ("没有设置值守任务", "No duties are set"),
    "delivery": ("上联", "Delivery"),
    "owed": ("条待送达", "to be delivered"),
    "connected": ("已连接", "connected"),
    "not_connected": ("未连接", "not connected"),
    "refusing": ("日志无法写入", "The journal cannot be written"),
    "points": ("点位", "Points"),
    "not_good": ("未知或异常", "Not known or not good"),
    "version": ("版本", "version"),
    "clock": ("时钟", "clock"),
    "done": ("已执行", "Done"),
    "refused": ("未执行", "Not done"),
    "unknown": (
        "不知道是否已执行：没有收到应答，请先看列表再决定是否重做",
        "Unknown whether it was done: no answer came, look at the list before you do it again",
    ),
    "stays_real": ("报警尚未复位，按下仍为真实报警，不计入演练：", "alarm not reset, a press stays real and is not counted: "),
    "none": ("—", "—"),
    "skip": ("跳到正文", "Skip to the content"),
    "pages": ("页面", "Pages"),
    "now": ("当前报警", "Now"),
    "untaken": ("有未确认的报警", "Alarms that nobody has taken"),
    "comma": ("，", ", "),
    "plan": ("平面图", "Site plan"),
    "as_list": ("列表显示", "As a list"),
    "as_plan": ("平面图显示", "As a plan"),
    "all_points": ("全部点位", "All points"),
    "legend": ("图例", "Legend"),
    "no_plan": ("没有设置平面图：请在站点文件中加 [plan]", "No site plan is set: add [plan] to the site file"),
    "not_on_plan": ("未标在图上的点位", "Not on the plan"),
    "point": ("点位", "Point"),
    "value": ("数值", "Value"),
    "active": ("动作", "active"),
    "at_rest": ("静止", "at rest"),
    "duty": ("值守与演练", "Duties and drills"),
    "who_last": ("人员", "By"),
    "today": ("今日", "today"),
    "due": ("期限", "due"),
    "overdue": ("逾期", "overdue"),
    "check_in": ("到岗签到", "Check in"),
    "answer": ("应答查岗", "Answer"),
    "visited": ("已到", "Visited"),
    "open_incidents": ("未解决的突发事件", "Open incidents"),
    "modes": ("演练、测试与检修", "Drills, tests, maintenance"),
    "no_modes": ("现在没有演练、测试或检修", "No drill, test or maintenance now"),
    "still_real": ("演练已预告，尚未开始：此时按下为真实报警", "Drill announced, not begun: a button pressed now is a real alarm"),
    "begins": ("开始", "begins"),
    "until": ("至", "until"),
    "passed": ("通过", "passed"),
    "call_off": ("取消", "Call off"),
    "end": ("结束", "End"),
    "walk_tests_due": ("待做的报警测试", "Walk tests that are due"),
    "last_test": ("上次", "last"),
    "not_passed_yet": ("尚未测试通过", "not yet passed"),
    "open_shift": ("交接班", "Change of shift"),
    "taken_from": ("交班人", "Taken over from"),
    "shift_is_yours": ("接班人：", "Who takes over:"),
    "note": ("备注", "Note"),
    "start_drill": ("开始演练", "Start a drill"),
    "start_test": ("开始报警测试", "Start a walk test"),
    "start_maintenance": ("开始检修", "Start maintenance"),
    "kind": ("类别", "Kind"),
    "minutes": ("时长（分钟）", "For how many minutes"),
    "announce": ("何时开始", "Begins"),
    "at_once": ("送达后立即", "as soon as it is signed for"),
    "in_1_min": ("1 分钟后", "in 1 minute"),
    "in_5_min": ("5 分钟后", "in 5 minutes"),
    "in_15_min": ("15 分钟后", "in 15 minutes"),
    "points_of_drill": ("参演点位", "Points of the drill"),
    "drill_words": (
        "每个参演点位的第一次报警算演练；其他报警一律为真",
        "The first alarm of each of these points is the exercise; everything else is real",
    ),
    "hazards": ("隐患台账", "Hazards"),
    "ledger": ("隐患台账", "Hazard ledger"),
    "no_hazards": ("没有未销号的隐患", "No hazard is open"),
    "closed_ones": ("已销号", "Closed ones"),
    "as_xlsx": ("导出 Excel", "As .xlsx"),
    "open_hazard": ("登记隐患", "Open a hazard"),
    "what_is_wrong": ("隐患内容", "What is wrong"),
    "recurrences": ("复发次数", "came again"),
    "steps": ("经过", "Steps"),
    "assign_hazard": ("交办", "Assign"),
    "fix_hazard": ("整改完成", "Set right"),
    "what_was_done": ("整改措施", "What was done"),
    "verify_hazard": ("复查", "Verify"),
    "second_person": ("复查人不能是整改人或整改责任人", "Somebody else than who set it right or is responsible"),
    "is_right": ("已整改到位", "It is right now"),
    "not_right": ("不合格，退回整改", "Not right yet, back to be set right"),
    "needed_if_not_right": ("（退回时必填）", "(needed when it is not right)"),
    "close_hazard": ("销号", "Close"),
    "inspections": ("巡查排查", "Inspections"),
    "no_inspections": ("没有设置巡查排查", "No inspections are set"),
    "last_done": ("上次完成", "last done"),
    "all_right": ("未发现问题", "All right"),
    "problem_found": ("发现问题", "A problem"),
    "note_inspection": ("登记检查结果", "Note an inspection"),
    "tick_what_is_wrong": ("有问题的项目请打勾", "Tick what is not right"),
    "result": ("结果", "Result"),
    "needed_for_problem": ("（发现问题时必填）", "(needed for a problem)"),
    "for_the_ledger": ("发现问题时登入隐患台账", "A problem goes into the hazard ledger"),
    "days_to_fix": ("整改期限（天）", "Days to set it right"),
    "reports": ("报表", "Reports"),
    "number": ("编号", "No."),
    "open_ones": ("未销号", "Not closed"),
    "by_itself": ("网关自动", "the gateway"),
    "issued": ("签发", "issued"),
    "as_json": ("下载 JSON", "As JSON"),
    "nothing_happened": ("零报告：无事发生", "Zero report: nothing happened"),
    "rows_more": ("另有未列出：", "More that are not listed:"),
    "fingerprint": ("SHA-256 摘要", "SHA-256 digest"),
    "signature": ("数字签名", "Signature"),
    # history, incidents, trends, cameras
    "history": ("历史记录", "History"),
    "incidents": ("事件", "Incidents"),
    "incident": ("所属事件", "incident"),
    "trends": ("趋势", "Trends"),
    "cameras": ("摄像机", "Cameras"),
    "search": ("查询", "Search"),
    "search_words": ("文字（内容、人员、编号）", "Words (text, person, id)"),
    "all": ("全部", "all"),
    "clear": ("清除条件", "Clear"),
    "place": ("位置", "Place"),
    "role": ("点位类型", "Kind of point"),
    "class": ("类别", "Class"),
    "from": ("起始日", "From"),
    "to": ("截止日", "To"),
    "time": ("时间", "Time"),
    "what": ("内容", "What"),
    "state": ("状态", "State"),
    "person": ("人员", "Who"),
    "proof": ("送达情况", "Received by"),
    "not_received": ("待送达", "owed"),
    "nothing_found": ("没有符合条件的记录", "Nothing was found"),
    "newest": ("回到最新", "Newest"),
    "older": ("更早的记录", "Older"),
    "as_csv": ("下载 CSV", "Download CSV"),
    "newest_of": ("最多 {most} 条", "at most {most} rows"),
    "bad_id": ("{name} 应为站点文件中的编号", "`{name}` is an id of the site file"),
    "bad_class": ("class 应为以下之一：{names}", "`class` is one of {names}"),
    "bad_row": ("before 应为记录序号", "`before` is the number of a row"),
    "bad_text": ("文字最多 {most} 个字符", "the words have at most {most} characters"),
    "bad_day": ("日期应写成 2026-11-22", "a day is written 2026-11-22"),
    "bad_span": ("span 应为以下之一：{names}", "`span` is one of {names}"),
    "bad_point": ("没有名为 {name} 的测量点", "there is no measured point {name}"),
    "bad_points": ("一次最多 {most} 个测量点", "at most {most} points at a time"),
    "exercise": ("演练或测试", "drill or test"),
    "still_open": ("未解决", "not resolved"),
    "not_yet": ("尚未", "not yet"),
    "no_incidents": ("没有事件", "No incidents"),
    "no_incident": ("没有这个事件，或记录已到期清除", "There is no such incident, or its events were removed by age"),
    "timeline": ("事件经过", "Timeline"),
    "measured": ("测量点", "Measured points"),
    "none_measured": ("没有测量点", "Nothing is measured here"),
    "span": ("时间范围", "Span"),
    "show": ("显示", "Show"),
    "late_minutes": ("最近十分钟内的数据稍后出现", "the last ten minutes come later"),
    "figures": ("数值", "figures"),
    "limits": ("报警限值", "Limits"),
    "above_natural": ("（高于自然漏电）", "(above natural leakage)"),
    "read_minutes": ("有数据的分钟数", "minutes read"),
    "no_cameras": ("没有摄像机", "There are no cameras"),
    "no_picture": ("无画面", "No picture"),
    "last_picture": ("最后画面", "last one at"),
    "waiting_picture": ("正在取画面……", "waiting for a picture …"),
    "tiles_told": (
        "画面仅在本页显示，不保存；隐私区域为黑色。查看摄像机会记入审计。",
        "Pictures are shown on this page only and not kept; private areas are black. Looking at cameras is on record.",
    ),
    # zones of a camera
    "zones_drawn": ("区域、计数线与遮蔽", "Zones, lines and masks"),
    "none_drawn": ("没有区域、计数线或遮蔽", "No zones, lines or masks"),
    "draw_zones": ("绘制区域", "Draw zones"),
    "draw_told": (
        "点击画面依次放置角点，拖动可移动。键盘：用“加角点”按钮，再逐个选中角点，用方向键移动（同时按上档键移动更远），删除键删除。",
        "Click or touch the picture to set corners in order; drag a corner to move it. By keyboard: “Add a corner”, "
        "reach a corner with Tab, move it with the arrow keys (with Shift farther), remove it with Delete.",
    ),
    "draw_line_told": (
        "计数线有两个点：从起点看向终点，由左向右越过为进，反向为出。区域和遮蔽至少三个角点，各边不得相交。",
        "A line has two points: who crosses from the left to the right, looking from the first to the second, goes in. "
        "A zone or mask has at least three corners, and its sides do not cross.",
    ),
    "draw_kind": ("类型", "Kind"),
    "draw_zone": ("区域", "zone"),
    "draw_line": ("计数线", "line"),
    "draw_mask": ("遮蔽", "mask"),
    "draw_id": ("编号（a-z、0-9、-）", "Id (a-z, 0-9, -)"),
    "draw_corner": ("角点", "corner"),
    "draw_add": ("加角点", "Add a corner"),
    "draw_undo": ("撤销", "Undo"),
    "draw_delete": ("删除", "Delete"),
    "draw_finish": ("完成", "Finish"),
    "draw_few": ("至少需要三个角点", "At least three corners are needed"),
    "draw_two": ("计数线需要两个不同的点", "A line needs two points that differ"),
    "draw_cross": ("各边相交：请按顺序沿一个方向放置角点", "The sides cross: set the corners in order, one way round"),
    "draw_small": ("面积太小：至少为画面的 0.1%", "Too small: at least 0.1% of the picture"),
    "draw_bad_id": ("请填写编号：小写字母、数字和 -，最多 48 个字符", "An id is needed: a-z, 0-9 and -, at most 48 characters"),
    "draw_same_id": ("此编号已在这台摄像机上使用", "This camera has this id already"),
    "draw_good": ("可以使用", "This can be used"),
    "draw_text": ("写入站点文件的内容", "What belongs into the site file"),
    "draw_copy": ("复制", "Copy"),
    "draw_copied": ("已复制", "Copied"),
    "draw_masks_here": (
        "写在这台摄像机的 [[cameras]] 中、它的区域之前，代替原有的 masks",
        "in this camera's [[cameras]], above its zones, in place of the masks there",
    ),
    "draw_rest_here": ("接在这台摄像机的 [[cameras]] 之后", "after this camera's [[cameras]]"),
    "draw_apply": (
        "本页不保存任何内容。请将上面的文字写入站点文件，先检查，再应用。",
        "This page saves nothing. The text belongs into the site file: write it there, check the file, then apply it.",
    ),
}

STATES: dict[str, tuple[str, str]] = {
    "unacknowledged": ("未确认", "not acknowledged"),
    "acknowledged": ("已确认", "acknowledged"),
    "returned_unacknowledged": ("已恢复，未确认", "gone, not acknowledged"),
    "latched_unacknowledged": ("已恢复，未确认，待复位", "gone, not acknowledged, to be reset"),
    "latched_acknowledged": ("已恢复，待复位", "gone, to be reset"),
    "shelved": ("已搁置", "shelved"),
    "suppressed_by_design": ("按设计抑制", "suppressed by design"),
    "out_of_service": ("停用", "out of service"),
}

STEPS: dict[str, tuple[str, str]] = {
    "raised": ("触发", "raised"),
    "journalled": ("已存盘", "on record"),
    "broker_acked": ("消息服务器已收", "broker has it"),
    "received": ("中心已收", "centre received"),
    "unusable": ("中心无法识别", "centre cannot use it"),
    "acknowledged": ("已确认", "acknowledged"),
}

# What the news of an alarm waits for, and the same when it is late.
WAITS: dict[str, tuple[str, str]] = {
    "disk": ("正在存盘", "on its way to the disk"),
    "earlier": ("本次开机前的送达情况见历史记录", "raised before the last start: its proof is in the history"),
    "path": ("等待消息服务器接收（{name}）", "waits for the broker ({name})"),
    "path late": ("上联未连接（{name}）", "path is not connected ({name})"),
    "centre": ("等待中心（{name}）确认", "waits for the centre ({name})"),
    "centre late": ("中心（{name}）未收到 {s} 秒", "centre ({name}) has not had it for {s} s"),
}

CLOCKS: dict[str, tuple[str, str]] = {
    "synchronised": ("已同步", "synchronised"),
    "holdover": ("守时", "holdover"),
    "unknown": ("不可信", "not known"),
}

MODES: dict[str, tuple[str, str]] = {
    "drill": ("演练中", "DRILL"),
    "test": ("报警测试中", "WALK TEST"),
    "maintenance": ("检修中", "MAINTENANCE"),
}

MARKS: dict[str, tuple[str, str]] = {
    "alarm": ("报警，未确认", "alarm, not acknowledged"),
    "rehearsed": ("演练、测试或检修中的报警", "alarm of a drill, test or maintenance"),
    "taken": ("报警，已确认", "alarm, acknowledged"),
    "fault": ("故障或未知", "fault or not known"),
    "aside": ("搁置或停用", "set aside"),
    "mode": ("演练、测试或检修中", "in a drill, test or maintenance"),
    "normal": ("正常", "normal"),
}

DUTY_STATES: dict[str, tuple[str, str]] = {
    "not due": ("未到时间", "not due"),
    "awaited": ("等待到岗", "awaited"),
    "missing": ("缺岗", "nobody there"),
    "on post": ("在岗", "on post"),
    "open": ("进行中", "under way"),
    "due": ("应完成", "due"),
    "done": ("已完成", "done"),
    "missed": ("漏巡", "missed"),
    "not asked": ("未查岗", "not asked"),
    "asked": ("查岗中，请应答", "asked: answer now"),
    "unanswered": ("查岗未应答", "not answered"),
    "on duty": ("在班", "on duty"),
    "overdue": ("逾期", "overdue"),
    "not_due": ("未到时间", "not due"),
    "unknown": ("未知", "unknown"),
}

DRILLS: dict[str, tuple[str, str]] = {
    "fire": ("消防应急演练", "fire drill"),
    "violence": ("防暴演练", "drill against violence"),
    "ram": ("防冲撞演练", "anti-ram drill"),
    "quake": ("防震演练", "earthquake drill"),
    "other": ("其他应急演练", "other drill"),
}

COMMANDS: dict[str, tuple[str, str]] = {
    "acknowledge": ("确认报警", "acknowledge"),
    "reset": ("复位", "reset"),
    "shelve": ("搁置", "shelve"),
    "unshelve": ("取消搁置", "unshelve"),
    "out_of_service": ("停用", "take out of service"),
    "return_to_service": ("恢复使用", "return to service"),
    "output": ("操作输出", "switch an output"),
    "silence": ("消音", "silence"),
    "take_snapshot": ("抓拍", "take a picture"),
    "learn": ("重新学习自然漏电", "learn natural leakage anew"),
    "check_in": ("护学岗签到", "check in at the guard post"),
    "patrol": ("巡逻打卡", "patrol"),
    "answer": ("应答查岗", "answer the duty call"),
    "open_shift": ("交接班", "shift handover"),
    "whistle": ("吹哨", "whistle"),
    "report_in": ("报到", "report in"),
    "end_whistle": ("结束吹哨", "end the whistle"),
    "sign_in": ("登录", "sign in"),
    "sign_out": ("退出", "sign out"),
    "locked_out": ("多次密码错误，已锁定", "locked out after wrong passwords"),
    "looked": ("查看画面", "looked"),
    "start_drill": ("开始演练", "start a drill"),
    "end_drill": ("结束演练", "end the drill"),
    "start_test": ("开始报警测试", "start a walk test"),
    "end_test": ("结束报警测试", "end the walk test"),
    "start_maintenance": ("开始检修", "start maintenance"),
    "end_maintenance": ("结束检修", "end maintenance"),
    "replay": ("请求补发", "ask for events again"),
    "open_hazard": ("登记隐患", "open a hazard"),
    "assign_hazard": ("交办隐患", "assign a hazard"),
    "fix_hazard": ("隐患整改", "report a hazard as fixed"),
    "verify_hazard": ("隐患复查", "verify a hazard"),
    "close_hazard": ("隐患销号", "close a hazard"),
    "inspect": ("巡查排查", "inspect"),
    "commission": ("调试验收", "commission"),
    "log_level": ("调整日志级别", "change the log level"),
    "upgrade": ("程序升级", "upgrade"),
    "apply": ("更换场所文件", "use a new site file"),
}

# Who gives commands, and who may sign in.
ROLES: dict[str, tuple[str, str]] = {
    "guard": ("值守人员", "guard"),
    "duty_leader": ("带班人员", "duty leader"),
    "technician": ("技术人员", "technician"),
    "centre": ("接警中心", "centre"),
    "viewer": ("只读人员", "viewer"),
    "gateway": ("报警主机", "gateway"),
    "rule": ("联动规则", "rule"),
}

# As refusals and events name them.
MODE_NAMES: dict[str, tuple[str, str]] = {
    "drill": ("演练", "drill"),
    "test": ("报警测试", "walk test"),
    "maintenance": ("检修", "maintenance"),
}

HAZARD_STATES: dict[str, tuple[str, str]] = {
    "open": ("待交办", "open"),
    "assigned": ("整改中", "assigned"),
    "fixed": ("待复查", "to be verified"),
    "verified": ("待销号", "to be closed"),
    "closed": ("已销号", "closed"),
}

HAZARD_STEPS: dict[str, tuple[str, str]] = {
    "opened": ("登记", "opened"),
    "assigned": ("交办", "assigned"),
    "fixed": ("整改完成", "set right"),
    "rejected": ("复查不合格，退回整改", "not right, back to be set right"),
    "verified": ("复查合格", "verified"),
    "closed": ("销号", "closed"),
    "reopened": ("复发", "came again"),
}

HAZARD_SOURCES: dict[str, tuple[str, str]] = {
    "fault": ("故障自动登记", "from a fault"),
    "person": ("人工登记", "by a person"),
    "inspection": ("巡查发现", "from an inspection"),
    "commission": ("验收发现", "from the first visit"),
}

INSPECTION_STATES: dict[str, tuple[str, str]] = {
    "done": ("已完成", "done"),
    "due": ("待检查", "due"),
    "overdue": ("逾期", "overdue"),
    "not_due": ("未到时间", "not due"),
}

EVERY: dict[str, tuple[str, str]] = {
    "day": ("每日", "daily"),
    "week": ("每周", "weekly"),
    "month": ("每月", "monthly"),
    "term": ("每学期", "each term"),
}

REPORTS: dict[str, tuple[str, str]] = {
    "daily": ("日报", "Daily report"),
    "weekly": ("周报", "Weekly report"),
    "monthly": ("月研判", "Monthly risk analysis"),
    "drill": ("演练报告", "Drill report"),
}

# Figures and columns of a drill's report.
DRILL_REPORT: dict[str, tuple[str, str]] = {
    "drill": ("演练结果", "What the drill has shown"),
    "listed": ("参演点位", "points listed"),
    "pressed": ("已触发", "pressed"),
    "received": ("中心已收", "received by the centre"),
    "acknowledged": ("已确认", "acknowledged"),
    "real": ("期间实际报警", "real alarms meanwhile"),
    "slowest_received_s": ("最长送达用时", "slowest receipt"),
    "slowest_acknowledged_s": ("最长确认用时", "slowest acknowledgement"),
    "lasted_s": ("演练历时", "lasted"),
    "persons": ("参与人员", "persons"),
    "ended": ("结束方式", "ended"),
    "exercised": ("各点位响应用时", "each point's times"),
    "not_pressed": ("未触发的点位", "points that nobody pressed"),
    "point": ("点位", "point"),
    "pressed_at": ("触发时间", "pressed at"),
    "after_s": ("演练开始后", "after the begin"),
    "broker_s": ("送达服务器", "broker has it"),
    "received_s": ("中心收到", "received"),
    "acknowledged_s": ("确认用时", "acknowledged"),
    "acknowledged_by": ("确认人", "by"),
    "reset_s": ("复位用时", "reset"),
}

DRILL_ENDS: dict[str, tuple[str, str]] = {
    "its time is over": ("时间到，自动结束", "its time is over"),
}

# What a guard does first, by class of alarm; the school's own plan goes before it. Terms: GB/T 29315, GA 1406 and the duties of standards.
FIRST_STEPS: dict[str, tuple[str, str]] = {
    "panic": (
        "看现场视频，立即核实；拨打 110，携防暴器械赶赴现场，护住学生",
        "Look at the camera, call 110, go there with your gear, shield the pupils",
    ),
    "ram_impact": ("关闭校门，疏散门前人员，查看防冲撞设施", "Close the gate, clear the forecourt, look at the bollards"),
    "gas_high": (
        "疏散人员，不得开关电器，关闭总阀，开窗通风，拨打 119",
        "Clear the room, touch no switch, close the valve, open windows, call 119",
    ),
    "gas_low": ("到场查漏，通风，禁止明火", "Go and look for the leak, let air in, no open flame"),
    "fire": ("确认火情，疏散，拨打 119", "Confirm the fire, evacuate, call 119"),
    "electrical": ("断开该回路，通知电工", "Switch that circuit off, call the electrician"),
    "intrusion": ("看现场视频，派人查看", "Look at the camera, send somebody"),
    "person": ("看现场视频，必要时派人查看", "Look at the camera, send somebody if needed"),
    "vehicle": ("拦停车辆，疏导学生", "Stop the vehicle, lead pupils away"),
    "blocked": ("清除堵塞物，恢复通行", "Clear the exit"),
    "door": ("到门口查看并关门", "Go to the door and close it"),
    "tamper": ("派人查看设备是否被破坏，通知技术人员", "See whether the device was damaged, call the technician"),
    "duty": ("到岗查看并签到", "Go there and check in"),
    "fault": ("通知技术人员", "Call the technician"),
}

# The same while the alarm belongs to an exercise, by its kind.
EXERCISES: dict[str, tuple[str, str]] = {
    "drill": ("按演练方案处置，勿拨打 110", "Follow the plan of the drill, do not call 110"),
    "test": ("报警测试：核对本机与中心收到，勿拨打 110", "Walk test: see that it arrives here and at the centre, do not call 110"),
    "maintenance": ("检修中：请技术人员核实，勿拨打 110", "Maintenance: let the technician see to it, do not call 110"),
}


CAMERAS = {SEES: ("正常", "sees"), **TROUBLES}


def say(key: str, language: str) -> str:
    """A text of WORDS."""
    return WORDS[key][LANGUAGES.index(language)]


def of(table: dict[str, tuple[str, str]], key: str, language: str) -> str:
    """A text of one of the other tables; the key itself where it has none."""
    return table[key][LANGUAGES.index(language)] if key in table else key
