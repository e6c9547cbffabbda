"""Docstrings of the kernels, which have the parameters of the functions that apply them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from .._docstrings import parts, section

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
    _, sections = parts(function.__doc__)
    before, own = parts(maker.__doc__)
    described = dict(_parameters(sections["Parameters"]))
    described.update(_parameters(own.get("Parameters", "")))
    parameters = [described[name] for name in maker.__annotations__ if name != "return"]
    text = [before, section("Parameters", "\n".join(parameters))]
    text += [section("Returns", returned), section("References", sections["References"])]
    maker.__doc__ = "\n\n".join(text) + "\n"


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for found in _PARAMETER.finditer(text):
        for name in found["names"].split(", "):
            yield name, f"{name} : {found['type']}\n{found['text']}".rstrip()
