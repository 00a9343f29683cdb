"""What is wrong with a JSON document, however much of it is wrong."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

MAX_ERRORS = 10_000  # a million of them take half a minute and gigabytes
_KEPT = 20  # of each list, where there are more


def errors_of(
    error: ValidationError, data: bytes, validate: Callable[[bytes], object]
) -> list[dict[str, Any]]:
    """Return the errors, as pydantic lists them; of more than ``MAX_ERRORS`` only some.

    Args:
        error: What was raised for ``data``.
        data: The document.
        validate: Raises the errors of a document.
    """
    if error.error_count() <= MAX_ERRORS:
        return list(map(dict, error.errors()))
    message = f"{error.error_count()} problems; of each list, the first {_KEPT} values were checked"
    count = {"loc": (), "type": "too_many", "msg": message, "input": None}
    try:
        validate(to_json(_shortened(from_json(data))))
    except ValidationError as first:
        if first.error_count() <= MAX_ERRORS:
            return [*map(dict, first.errors()), count]
    return [count]


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value[:_KEPT]] if isinstance(value, list) else value
