"""Checked models as plain records: the same attributes, no validator behind them, can cross a process boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


class Record:
    """One table of a site file or profile. Attributes are named as in the model it was made from."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __repr__(self) -> str:
        return f"Record({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


def plain(model: BaseModel) -> Any:
    """A Record tree of this model; computed fields become plain ones."""
    names = [*type(model).model_fields, *type(model).model_computed_fields]
    return Record(**{name: _plain(getattr(model, name)) for name in names})


def _plain(value: Any) -> Any:
    if hasattr(type(value), "model_fields"):
        return plain(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value
