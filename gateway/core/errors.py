"""The one tree of errors.

Whether trying again can help is a matter of class: `Retryable` or `Permanent`. Messages say what was
read, where, and what was expected, because a technician reads them at a gate with a laptop.
"""

from __future__ import annotations

# What reading a row of the journal may raise that another version, or nobody, wrote: it is left out, the rest goes on.
DAMAGED = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError)


class GatewayError(Exception):
    """Root of everything this product raises on purpose."""


class Retryable(GatewayError):
    """May succeed when tried again: a cut cable, a busy disk, a broker that restarts."""


class Permanent(GatewayError):
    """Will fail again in the same way until a person changes something."""


class PortLost(Retryable):
    """A serial port or TCP peer is not there (unplugged, refused, reset)."""


class LinkLost(Retryable):
    """The MQTT session of a path ended or could not be opened."""


class TakenOver(LinkLost):
    """The broker gave this session to another client with the same client id."""


class Unwelcome(LinkLost):
    """The broker refuses this gateway: user, password, certificate or client id."""


class PacketTooLarge(LinkLost):
    """The broker ended the session because a message is larger than it takes."""


class NotAllowed(LinkLost):
    """The broker ended the session because of a message that it does not allow."""


class Redial(LinkLost):
    """The session is closed on purpose, to be opened anew at once."""


class SubscriptionRefused(LinkLost):
    """The broker does not grant a subscription."""


class NoPuback(Retryable):
    """The broker took the message but did not acknowledge it in time."""


class PublishRefused(Permanent):
    """The broker answered a publish with a reason code of 0x80 or above."""

    def __init__(self, topic: str, code: int) -> None:
        super().__init__(f"the broker refused a message on {topic}: reason code 0x{code:02x}")
        self.topic = topic
        self.code = code


class JournalRefused(Retryable):
    """The journal could not commit (disk full, read-only, I/O error). Nothing accepted is dropped."""


class JournalUnreadable(Retryable):
    """The journal could not be read now (damaged, I/O error). What is in memory is not concerned."""


class BadSignature(Permanent):
    """A receipt, command or event whose signature does not hold, or whose key is not trusted."""


class BadMessage(Permanent):
    """A message from outside that is not what the contract says."""


class DoorRefused(Permanent):
    """The control socket refused a request (wrong user, unknown request, wrong content)."""


class DoorUnanswered(DoorRefused):
    """A command went through the control socket and no answer came back: nobody knows whether it was carried out."""


class ModelRefused(Permanent):
    """A neural network file is missing, has another digest, or fails its self-test."""
