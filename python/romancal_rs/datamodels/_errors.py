"""What can go wrong with a data model, one class per kind of mistake."""

from __future__ import annotations

from ..errors import RomancalError


class ModelError(RomancalError, ValueError):
    """Anything wrong with a data model or its file; base of the errors below."""


class FileFormatError(ModelError):
    """The file is not ASDF, is damaged, or holds no Roman data."""


class ModelTypeError(ModelError, TypeError):
    """The data are of another kind than asked for."""


class UnknownModelError(ModelTypeError):
    """The file is a Roman file of a kind that this package has no model for."""


class ValidationError(ModelError):
    """A value breaks the rule that the schema sets for it.

    Attributes
    ----------
    path : str
        Dotted name of the value, such as ``meta.exposure.frame_time``.
    value : object
        The offending value.
    rule : str
        What the schema asks for.
    source : str
        The file that the value came from, empty if none or not known.
    """

    def __init__(self, path: str, value: object, rule: str, source: str = "") -> None:
        self.path = path
        self.value = value
        self.rule = rule
        self.source = source
        super().__init__(path, value, rule, source)  # with which it is pickled

    @property
    def problem(self) -> str:
        """The message without the file."""
        return f"While validating {self.path} the following error occurred: {self.rule}"

    def __str__(self) -> str:
        return f"{self.source}: {self.problem}" if self.source else self.problem
