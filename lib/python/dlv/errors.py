"""What dlv answers instead of a result."""

from __future__ import annotations

from typing import Any, Mapping, Optional


class DlvError(RuntimeError):
    """An error of dlv's table: `code` is stable, `hint` says what to do, `data` names files and values."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: Optional[str] = None,
        data: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(message if hint is None else f"{message}\nhint: {hint}")
        self.code = code
        self.message = message
        self.hint = hint
        self.data: Mapping[str, Any] = dict(data or {})

    def __reduce__(self) -> Any:
        return (_rebuild, (self.code, self.message, self.hint, dict(self.data)))


def _rebuild(code: str, message: str, hint: Optional[str], data: Mapping[str, Any]) -> DlvError:
    return DlvError(code, message, hint=hint, data=data)


class DlvWarning(UserWarning):
    """Something that dlv says beside a result."""
