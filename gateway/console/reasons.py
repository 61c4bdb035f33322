"""Why a value is not good, a device silent, an output not switched: what drivers, lines and rules say in English, in the page's language.

A test collects the reasons that they give and finds one without words here.
"""

from __future__ import annotations

from gateway.console.phrases import Phrase, Phrases

_PAGE = (
    Phrase("the page's process says nothing", "页面进程没有消息"),
    Phrase("{where} cannot be used: {said}", "{where} 不能使用：{said}"),
    Phrase("{file} cannot be read: {said}", "{file} 读不出：{said}"),
    Phrase("{cert} and {key} are no certificate and its key without password, in PEM", "{cert} 与 {key} 不是一对 PEM 证书与无密码的密钥"),
    Phrase("Address already in use", "端口已被其他程序占用"),
    Phrase("Cannot assign requested address", "本机没有这个地址"),
    Phrase("Name or service not known", "没有这个名称"),
    Phrase("Is a directory", "这是一个文件夹"),
)
_WIRE = (
    Phrase("port lost", "端口断开"),
    Phrase("no answer", "无应答"),
    Phrase("bad frame", "数据帧错误"),
    Phrase("wrong unit", "应答的设备地址不符"),
    Phrase("exception", "设备返回异常码"),
    Phrase("refused", "设备拒绝执行"),
    Phrase("queue full", "请求队列已满"),
    Phrase("stale", "数据超时未更新"),
    Phrase("port lost: {said}", "端口断开：{said}"),
    Phrase("the port is gone: {said}", "端口已消失：{said}"),
    Phrase("end of file", "读到末尾"),
    Phrase("connection lost: {said}", "连接中断：{said}"),
    Phrase("connection closed by the peer", "对端关闭了连接"),
    Phrase("the peer takes no bytes", "对端不接收数据"),
    Phrase("cannot connect to {where}: {said}", "无法连接 {where}：{said}"),
    Phrase("cannot open {path}: {said}", "无法打开 {path}：{said}"),
    Phrase("{where} does not answer within {s} s", "{where} 在 {s} 秒内无应答"),
    Phrase("{path} takes no bytes: {said}", "{path} 不接收数据：{said}"),
    Phrase("{path} took {n} of {of} bytes: nobody reads at the other end", "{path} 只收下 {of} 字节中的 {n} 字节：对端不读取"),
    Phrase("not connected", "未连接"),
    Phrase("the port is not open", "端口未打开"),
    Phrase("the line is stopped", "总线已停止"),
    Phrase("the line is not running", "总线未运行"),
    Phrase("the port is lost", "端口断开"),
    Phrase("the default key is good in install mode only", "默认密钥只可在安装模式下使用"),
    Phrase("Connection refused", "对方拒绝连接"),
    Phrase("Connection reset by peer", "连接被对端重置"),
    Phrase("Broken pipe", "连接已断"),
    Phrase("No route to host", "网络不可达"),
    Phrase("Network is unreachable", "网络不可达"),
    Phrase("Host is unreachable", "网络不可达"),
    Phrase("No such file or directory", "没有这个文件或设备"),
    Phrase("No such device", "没有这个设备"),
    Phrase("No such device or address", "没有这个设备"),
    Phrase("Permission denied", "没有权限"),
    Phrase("Device or resource busy", "设备被占用"),
    Phrase("Input/output error", "读写错误"),
    Phrase("No space left on device", "磁盘已满"),
    Phrase("Read-only file system", "文件系统只读"),
    Phrase("exception {code}: {said}", "设备返回异常码 {code}（{said}）"),
    Phrase("illegal function", "不支持该功能码"),
    Phrase("illegal data address", "寄存器地址无效"),
    Phrase("illegal data value", "数值无效"),
    Phrase("device failure", "设备故障"),
    Phrase("acknowledge, still working", "已接收，正在处理"),
    Phrase("busy", "设备忙"),
    Phrase("memory parity error", "存储器校验错误"),
    Phrase("gateway path unavailable", "网关路径不可用"),
    Phrase("gateway target does not answer", "网关下挂设备无应答"),
    Phrase("unknown code", "未知异常码"),
    Phrase("configuration: {said} to {block}", "配置问题：{said}（{block}）"),
    Phrase("device fault: {said} to {block}", "设备问题：{said}（{block}）"),
)

_VALUES = (
    Phrase("sees", "画面正常"),
    Phrase("not read yet", "尚未读取"),
    Phrase("not reported yet", "尚未上报"),
    Phrase("not written yet", "尚未写入"),
    Phrase("being written", "正在写入"),
    Phrase("not known", "未知"),
    Phrase("no word from the line", "总线未答复"),
    Phrase("the device went silent", "设备失去应答"),
    Phrase("overtaken by a later command of {by}", "被{by}之后的命令取代"),
    Phrase("not confirmed within {s} s: {said}", "{s} 秒内未得到回读确认：{said}"),
    Phrase("stopped: {said}", "已停止：{said}"),
    Phrase("loop open", "回路开路"),
    Phrase("loop short", "回路短路"),
    Phrase("not a number", "不是有效数值"),
    Phrase("not BCD", "不是有效的 BCD 码"),
    Phrase("decimal exponent {n} out of range", "小数位数 {n} 超出范围"),
    Phrase("number of decimals out of range (byte {n})", "小数位数超出范围（字节 {n}）"),
    Phrase("unknown code {code}", "未知代码 {code}"),
    Phrase("{raw} is no state of this loop", "回路没有代码 {raw} 的状态"),
    Phrase("{signals} cannot be {states}", "{signals} 的组合 {states} 不可能"),
    Phrase("warm-up", "预热中"),
    Phrase("sensor warms up", "传感器预热中"),
    Phrase("inhibited: the transmitter reports 0", "变送器处于抑制状态，输出为 0"),
    Phrase("transmitter does not measure", "变送器未在测量"),
    Phrase("transmitter fault", "变送器故障"),
    Phrase("alarm simulation", "模拟报警中"),
    Phrase("transmitter is not set to {unit}", "变送器单位未设为 {unit}"),
    Phrase("alarm bit not valid", "报警位无效"),
    Phrase("pre-alarm bit not valid", "预警位无效"),
    Phrase("memorised alarm bit not valid", "报警记忆位无效"),
    Phrase("toroid status not valid", "互感器状态无效"),
    Phrase("no toroid connected", "未接剩余电流互感器"),
    Phrase("residual current sensor not connected", "未接剩余电流互感器"),
    Phrase("temperature sensor broken or not connected", "温度传感器损坏或未接"),
    Phrase("calibration", "标定中"),
    Phrase("needs calibration", "需要标定"),
    Phrase("condition bits are set: look at the detector", "探测器有状态提示：请查看探测器"),
    Phrase("data error", "数据错误"),
    Phrase("detector does not measure", "探测器未在测量"),
    Phrase("detector fault", "探测器故障"),
    Phrase("inhibited", "已抑制"),
    Phrase("inhibited: the detector holds the last reading", "探测器处于抑制状态，保持最后读数"),
    Phrase("sensor fault", "传感器故障"),
    Phrase("sensor reports an error", "传感器报告错误"),
    Phrase("sensor switched off", "传感器已关闭"),
    Phrase("the controller does not reach the detector", "控制器与探测器通信中断"),
    Phrase("the controller does not reach the sensor", "控制器与传感器通信中断"),
    Phrase("the key switch at the bollard stands on local", "升降柱钥匙开关处于就地位置"),
    Phrase("the selector is not in Remote", "选择开关不在远程位置"),
    Phrase("the sensor does not measure combustible gas", "该传感器不测可燃气体"),
    Phrase("the sensor does not measure toxic gas", "该传感器不测有毒气体"),
    Phrase("under-range", "低于量程"),
    Phrase("over-range", "超出量程"),
    Phrase("short circuit in the loop", "回路短路"),
    Phrase("wire break in the loop", "回路断线"),
    Phrase("wiring fault", "接线错误"),
    Phrase("unknown", "未知"),
    Phrase("both limits at once", "两个限位同时动作"),
    Phrase("both ends at once", "两个限位同时动作"),
)

_CAMERAS = (
    Phrase("vision silent", "视频识别进程无响应"),
    Phrase("camera blind", "摄像机无法辨认"),
    Phrase("the model knows no vehicles", "识别模型不含车辆"),
    Phrase("no picture for {s} s: {said}", "{s} 秒内无画面：{said}"),
    Phrase("the camera sends nothing", "摄像机未发送画面"),
    Phrase("no picture yet", "尚无画面"),
    Phrase("pictures arrive more than {s} s late", "画面迟到超过 {s} 秒"),
    Phrase("the decoder cannot be started: {said}", "解码进程无法启动：{said}"),
    Phrase("the decoder hangs and is started again", "解码进程无响应，已重新启动"),
    Phrase("the decoder ended and is started again", "解码进程退出，已重新启动"),
    Phrase("none for {s} s", "已 {s} 秒未识别"),
    Phrase("fewer than {n} a second", "每秒少于 {n} 帧"),
)

_RULES = (
    Phrase("the clock was never set", "时钟未校时"),
    Phrase("the clock was never set; the dates of certificates are not checked until it is", "时钟未校时；校时之前不检查证书日期"),
    Phrase("the clock was never set: nothing is due until it is", "时钟未校时：校时之前不计时限"),
    Phrase("clock unknown", "时钟不可信"),
    Phrase("nobody is there any more", "人员已离岗"),
    Phrase("nobody has come", "无人到岗"),
    Phrase("the gateway was off when the round ended", "巡逻结束时报警主机停机"),
    Phrase("the gateway was off when it was due", "到期时报警主机停机"),
    Phrase("on duty since {at}: nobody by name", "自 {at} 起值班：未登记"),
    Phrase("on duty since {at}: {by}", "自 {at} 起值班：{by}"),
    Phrase("unknown: {all}", "无法判断：{all}"),
    Phrase("its time is over", "时间到"),
    Phrase("unknown card", "未登记的卡"),
)

_GATEWAY = (
    Phrase("damaged, set aside as {file}", "日志损坏，已封存为 {file}"),
    Phrase("damaged, set aside as {file}; {said}", "日志损坏，已封存为 {file}；{said}"),
    Phrase("uplink path {path}: a certificate expired on {day}", "上联 {path}：证书已于 {day} 过期"),
    Phrase("uplink path {path}: a certificate expires on {day}", "上联 {path}：证书将于 {day} 过期"),
    Phrase("uplink path {path}: {said}", "上联 {path}：{said}"),
    Phrase("the link ended", "连接中断"),
    Phrase("the link ended: {said}", "连接中断：{said}"),
    Phrase("not sent: {said}", "未能发送：{said}"),
    Phrase("subscribing {topic}: {said}", "订阅 {topic}：{said}"),
    Phrase("timed out", "超时"),
    Phrase("the broker has not acknowledged a message for {s} s", "消息服务器已 {s} 秒未确认消息"),
    Phrase("{where} refuses this gateway: {said} ({raw})", "{where} 拒绝本网关：{said}"),
    Phrase("{where} closed the TLS session without a word; {words}", "{where} 关闭了 TLS 会话：可能要求客户端证书"),
    Phrase('{where} does not speak MQTT 5; set protocol = "3.1.1" for this path ({raw})', "{where} 不支持 MQTT 5；请为此上联改用 3.1.1"),
    Phrase("{where} took the connection and has not answered for {s} s; {words}", "{where} 接受连接后 {s} 秒无应答：是否为 MQTT 服务器？"),
    Phrase("user or password is wrong; see username and password_file of this path", "用户名或密码错误"),
    Phrase("not authorised; see username, password_file and certificate of this path, and the rights at the broker", "未获授权"),
    Phrase("it is not ready to serve", "服务未就绪"),
    Phrase("it is busy", "服务器忙"),
    Phrase("connections come too fast", "连接过于频繁"),
    Phrase("the broker does not allow a message that was just sent", "服务器不允许刚发送的消息"),
    Phrase("the broker is busy", "服务器忙"),
    Phrase("the broker shuts down", "服务器正在停机"),
    Phrase("the broker has heard nothing for too long (keep-alive)", "服务器太久未收到心跳"),
    Phrase("the broker says that messages come too fast", "服务器称消息过于频繁"),
    Phrase("the broker's quota is used up", "服务器配额已用完"),
    Phrase("an administrator at the broker ended the session", "服务器管理员结束了会话"),
    Phrase('another device connects with the client id "{id}" and takes the session over', "另有设备使用客户端编号 {id}，会话被接管"),
    Phrase("the broker's certificate, or that of its authority, has expired; or this gateway's clock is wrong", "证书过期，或本机时钟错误"),
    Phrase("the broker's certificate was not signed by the authority in ca_file", "服务器证书不是由指定机构签发"),
    Phrase("the broker's certificate is for another host name than that of url", "服务器证书的主机名不符"),
    Phrase("the broker does not speak TLS on this port", "服务器此端口不支持 TLS"),
    Phrase("it closes the connection at the TLS handshake: is TLS spoken on this port?", "在 TLS 握手时关闭连接：此端口是否支持 TLS？"),
    Phrase("[Errno {n}] {said}", "{said}"),
    Phrase("Name or service not known", "找不到主机名"),
    Phrase("Temporary failure in name resolution", "域名解析失败"),
    Phrase("All connection attempts failed", "所有连接尝试均失败"),
)

# Why an output may not be switched now, and what a point shows that stands in the way.
OUTPUTS = (
    Phrase("it is not enabled in the site file (enabled = true)", "站点文件未启用该输出"),
    Phrase("device {device} does not answer", "设备 {device} 无应答"),
    Phrase("remote control is not selected: {said}", "未选择远程控制：{said}"),
    Phrase("it ends by itself and has no off", "该输出自行结束，不能关闭"),
    Phrase("a bollard is not moved without an input that shows its loop clear (loop_clear)", "没有车辆检测输入，不得操作升降柱"),
    Phrase("the loop is not known to be clear: {said}", "不能确认地感上无车：{said}"),
    Phrase("interlock: {output} is on", "互锁：{output} 已开"),
    Phrase("interlock: whether {output} is on is not known", "互锁：{output} 的状态未知"),
    Phrase("interlock: {output} cannot be switched off: {said}", "互锁：{output} 无法关闭：{said}"),
    Phrase("{point} was not read yet", "{point} 尚未读取"),
    Phrase("{point} is bad ({said})", "{point} 异常（{said}）"),
    Phrase("{point} is uncertain ({said})", "{point} 不确定（{said}）"),
    Phrase("{point} shows {value}", "{point} 显示 {value}"),
)

_LAST = (
    Phrase("{n} 项逾期 overdue: {raw}", "{n} 项逾期：{raw}", "{n} overdue: {raw}"),
    Phrase("bad: {said}", "异常：{said}"),
    Phrase("uncertain: {said}", "不确定：{said}"),
    Phrase("{where}: {said} ({raw})", "{where}：{said}（{raw}）"),
)

VALUES: dict[str, tuple[str, str]] = {
    "true": ("动作", "active"),
    "false": ("静止", "at rest"),
    "open": ("开", "open"),
    "closed": ("关", "closed"),
    "between": ("中间位置", "between"),
    "up": ("升起", "up"),
    "down": ("降下", "down"),
    "remote": ("远程", "remote"),
    "local": ("就地", "local"),
    "normal": ("正常", "normal"),
    "active": ("动作", "active"),
    "alarm": ("报警", "alarm"),
    "fault": ("故障", "fault"),
    "arrival": ("上学时段", "arrival"),
    "dismissal": ("放学时段", "dismissal"),
    "lesson": ("上课时段", "lessons"),
    "night": ("住校夜间", "boarders' night"),
    "boarding": ("住校时段", "boarding"),
    "none": ("非在校时段", "outside school hours"),
}


def value(shown: str, language: str) -> str:
    """A state that a point shows; as it is where it is not known."""
    return VALUES[shown][0 if language == "zh" else 1] if shown in VALUES else shown


def say(reason: str, language: str) -> str:
    """The reason in this language; as it was said where it is not known."""
    said = _halves(reason, language) or _TABLE.say(reason, language)
    if said != reason:
        return said
    point, colon, why = reason.partition(": ")
    said = say(why, language) if colon and " " not in point else why
    return reason if said == why else f"{point}{'：' if language == 'zh' else colon}{said}"


def _halves(reason: str, language: str) -> str:
    """Of what is said in both languages, `画面静止 (picture frozen): detail`, the one; '' for anything else."""
    zh, opened, rest = reason.partition(" (")
    en, closed, detail = rest.partition(")")
    if not (opened and closed) or zh.isascii() or not en.isascii() or detail[:2] not in ("", ": "):
        return ""
    more = _TABLE.say(detail[2:], language)
    return f"{zh}{'：' if more else ''}{more}" if language == "zh" else f"{en}{': ' if more else ''}{more}"


def _all(reasons: str, language: str) -> str:
    """Some, one behind the other."""
    return ("、" if language == "zh" else ", ").join(say(each, language) for each in reasons.split(", "))


_TABLE = Phrases((*_PAGE, *_WIRE, *_VALUES, *_CAMERAS, *_RULES, *_GATEWAY, *OUTPUTS, *_LAST), {"said": say, "all": _all, "value": value})
