"""Docstrings of the kernels, which have the parameters of the functions that apply them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
_PARAMETER = re.compile(r"^(?P<names>\S.*?) : (?P<type>.*)\n(?P<text>(?:(?: .*)?(?:\n|$))*)", re.M)


def describe(maker: Callable[..., Any], function: Callable[..., Any], returned: str) -> None:
    """Complete the docstring of what makes a kernel, from the function that applies this kernel.

    Parameters
    ----------
    maker : callable
        Its docstring has a summary, a description, and the parameters that `function` lacks. It
        gets the sections Parameters, Returns, and References.
    function : callable
        Its docstring describes the other parameters of `maker`.
    returned : str
        The type that `maker` returns.
    """
    if maker.__doc__ is None or function.__doc__ is None:  # python -OO
        return
    sections = _sections(inspect.cleandoc(function.__doc__))
    own = inspect.cleandoc(maker.__doc__)
    described = dict(_parameters(sections["Parameters"]))
    described.update(_parameters(_sections(own).get("Parameters", "")))
    parameters = [described[name] for name in maker.__annotations__ if name != "return"]
    text = [_SECTION.split(own)[0].rstrip(), _titled("Parameters", "\n".join(parameters))]
    text += [_titled("Returns", returned), _titled("References", sections["References"])]
    maker.__doc__ = "\n\n".join(text) + "\n"


def _sections(doc: str) -> dict[str, str]:
    parts = _SECTION.split(doc)
    return {title: text.strip("\n") for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def _parameters(section: str) -> Iterator[tuple[str, str]]:
    for found in _PARAMETER.finditer(section):
        for name in found["names"].split(", "):
            yield name, f"{name} : {found['type']}\n{found['text']}".rstrip()


def _titled(title: str, text: str) -> str:
    return f"{title}\n{'-' * len(title)}\n{text}"
