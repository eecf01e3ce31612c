"""The type of what JSON can say."""

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
