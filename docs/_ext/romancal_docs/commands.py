"""Every command, with its usage and its options, as its parser knows them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

from docutils import nodes

from romancal_rs._exit_status import of_command
from romancal_rs.cli import COMMANDS, all_commands, parser_of
from romancal_rs.cli.parser import Parser

from .content import Generated, code, link, paragraph, prose, table, text_block

#: Groups of options of which there are so many that they are folded at first.
_OF_STEPS = "parameters of steps."


class CommandList(Generated):
    """What the commands are, in a line each."""

    def content_nodes(self) -> Iterable[nodes.Node]:
        tasks: dict[str, list[str]] = {}
        for name, _ in all_commands():
            tasks.setdefault(name.split(" ")[0], []).append(name)
        rows = []
        for command, what in COMMANDS.items():
            links: list[nodes.Node] = []
            for name in tasks[command]:
                links += [nodes.Text(", ")] * bool(links) + [link(anchor(name), name)]
            rows.append((links, what))
        yield table(("command", "what it does"), rows)


class Commands(Generated):
    """All commands and tasks, a section each."""

    def content_nodes(self) -> Iterable[nodes.Node]:
        for name, module in all_commands():
            parser = parser_of(name, module, [])
            yield self.section(f"romancal-rs {name}", anchor(name), _explained(name, parser))


def anchor(command: str) -> str:
    """What the section of a command is linked to by."""
    return f"command-{command.replace(' ', '-')}"


def _explained(command: str, parser: Parser) -> Iterator[nodes.Node]:
    yield text_block(" ".join(parser.format_usage().removeprefix("usage: ").split()))
    yield from prose(parser.description or "")
    layout = parser._get_formatter()
    folded: list[nodes.Node] = []
    hidden = False
    for group in parser._action_groups:
        shown = [a for a in group._group_actions if a.help is not argparse.SUPPRESS]
        hidden |= any(a.dest.startswith("parameter ") for a in group._group_actions) and not shown
        if not shown:
            continue
        place = folded if (group.title or "").startswith(_OF_STEPS) else None
        parts = [nodes.rubric(text=(group.title or "").capitalize()), _table(layout, shown)]
        if place is None:
            yield from parts
        else:
            place += parts
    if folded:
        yield nodes.raw("", "<details><summary>Parameters of the steps</summary>", format="html")
        yield from folded
        yield nodes.raw("", "</details>", format="html")
    if command == "run" or hidden:
        yield paragraph(
            "What is run has its parameters as options, too: ",
            link("step-parameters", "the parameters of steps"),
            ". With its name, ``--help-all`` lists them.",
        )
    if meanings := of_command(command):
        yield nodes.rubric(text="Exit status")
        yield table(
            ("status", "meaning"),
            [(code(str(int(status))), meaning) for status, meaning in meanings.items()],
        )


def _table(layout: Any, actions: Iterable[argparse.Action]) -> nodes.table:
    rows = [
        (code(layout._format_action_invocation(action)), layout._expand_help(action))
        for action in actions
    ]
    return table(
        ("option" if any(a.option_strings for a in actions) else "argument", "meaning"), rows
    )
