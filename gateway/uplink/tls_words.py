"""What a refused TLS session means, and what to do: OpenSSL's words are written for programmers."""

from __future__ import annotations

# Part of OpenSSL's text -> what a technician should know. The first match counts. "alert" is the broker's word about us.
_WORDS = (
    ("alert certificate required", "the broker wants a client certificate: give this path cert_file and key_file (campus-gateway enroll)"),
    ("alert certificate expired", "the broker says that this gateway's certificate has expired: campus-gateway enroll --renew"),
    ("alert certificate revoked", "the broker says that this gateway's certificate was revoked: ask the linkage centre"),
    ("alert unknown ca", "the broker does not know the authority that signed this gateway's certificate"),
    ("alert bad certificate", "the broker does not accept this gateway's certificate"),
    ("alert handshake failure", "the broker wants a client certificate or another kind of key"),
    ("alert protocol version", "the broker does not speak TLS 1.2 or newer, which is the least that is taken"),
    ("unsupported protocol", "the broker does not speak TLS 1.2 or newer, which is the least that is taken"),
    ("hostname mismatch", "the broker's certificate is for another host name than that of url"),
    ("ip address mismatch", "the broker's certificate is for another address than that of url"),
    ("certificate has expired", "the broker's certificate, or that of its authority, has expired; or this gateway's clock is wrong"),
    ("certificate is not yet valid", "the broker's certificate is not valid yet; or this gateway's clock is wrong"),
    ("certificate purpose", "the broker shows a certificate that is not one for a broker"),
    ("certificate verify failed", "the broker's certificate was not signed by the authority in ca_file"),
    ("wrong version number", "the broker does not speak TLS on this port"),
    # Only the handshake fails in these words: what ends later is told by the MQTT library
    ("connection reset", "it closes the connection at the TLS handshake: is TLS spoken on this port?"),
    ("eof occurred", "it closes the connection at the TLS handshake: is TLS spoken on this port?"),
    ("broken pipe", "it closes the connection at the TLS handshake: is TLS spoken on this port?"),
)


def tls_words(text: str) -> str:
    """What to do about a refused TLS session; empty when the text tells of none."""
    lower = text.lower().replace("_", " ")
    return next((words for part, words in _WORDS if part in lower), "")
