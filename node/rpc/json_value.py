"""The type of what JSON can say."""

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def records(told: Json) -> list[dict[str, Json]]:
    """Return a list of objects, as a method of the API promises it."""
    assert isinstance(told, list)
    return [each for each in told if isinstance(each, dict)]
