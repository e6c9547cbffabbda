"""How commands read their arguments: as argparse does, and more kindly."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from .._exit_status import ExitStatus
from ..errors import nearest, shortened
from .streams import complain

#: The widest help text [characters]: longer lines are hard to read.
_WIDEST = 100


#: What values of a type are called.
_NUMBERS: dict[Any, str] = {int: "a whole number", float: "a number"}


#: Of a parameter that more steps than this have, no step is proposed.
_MOST_STEPS = 3


def canonical(option: str) -> str:
    """The form of an option's name that does not tell hyphens and underscores apart."""
    return option.replace("_", "-")


class _Layout(argparse.HelpFormatter):
    """As wide as the terminal, within reason; of a text, lines with an indentation are kept."""

    def __init__(self, prog: str, **kwargs: Any) -> None:
        width = min(shutil.get_terminal_size().columns, _WIDEST) - 2
        super().__init__(prog, **{"max_help_position": 30, "width": width, **kwargs})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(
            part
            if any(line.startswith(" ") for line in part.split("\n"))
            else textwrap.fill(part, width, break_long_words=False, break_on_hyphens=False)
            for part in text.split("\n\n")
        )


def seldom(action: argparse.Action) -> argparse.Action:
    """Has help leave an option out, until it is asked for all of them by ``--help-all``."""
    action.is_seldom = True  # type: ignore[attr-defined]
    return action


class Parser(argparse.ArgumentParser):
    """Names the option that was meant where one is unknown, and keeps to what can be read.

    In the names of options hyphens and underscores are the same: ``--output-dir`` is
    ``--output_dir``. Of an option that is given twice, in whatever form, the last one counts.
    """

    #: What a command knows of an option that it lacks.
    explain: Callable[[str], str] | None = None
    #: Options that help shows at first, by titles, where these are not those of the groups.
    at_first: Sequence[tuple[str, Sequence[argparse.Action]]] = ()

    def __init__(self, **kwargs: Any) -> None:
        description = kwargs.pop("description", None)
        if description and "\n" in description:
            from inspect import cleandoc  # a quarter of what the list of commands takes

            description = cleandoc(description)
        super().__init__(description=description, formatter_class=_Layout, **kwargs)

    def error(self, message: str) -> NoReturn:
        complain(self.format_usage().rstrip())
        complain(shortened(f"{self.prog}: error: {message.removeprefix('argument ')}"))
        self.exit(ExitStatus.WRONG_USAGE)

    def format_usage(self) -> str:
        """What has to be given, in a line."""
        layout = self._get_formatter()
        self._add_usage(layout)
        return layout.format_help()

    def format_help(self) -> str:
        """What matters, where there is too much for a screen; else all options."""
        if self.at_first:
            return self._laid_out(self.at_first, is_all=False)
        groups = [
            (group.title, [action for action in group._group_actions if not _is_seldom(action)])
            for group in self._action_groups
        ]
        return self._laid_out(groups, is_all=not any(map(_is_seldom, self._actions)))

    def format_all_help(self) -> str:
        """The help with every option."""
        groups = [(group.title, group._group_actions) for group in self._action_groups]
        return self._laid_out(groups, is_all=True)

    def _laid_out(
        self, groups: Iterable[tuple[str | None, Sequence[argparse.Action]]], *, is_all: bool
    ) -> str:
        layout = self._get_formatter()
        self._add_usage(layout)
        description = self.description or ""
        layout.add_text(description if is_all else description.partition("\n\n")[0])
        for title, actions in groups:
            layout.start_section(title)
            layout.add_arguments(actions)
            layout.end_section()
        layout.add_text(self.epilog if is_all else "--help-all shows all options")
        return layout.format_help()

    def _add_usage(self, layout: argparse.HelpFormatter) -> None:
        actions = [action for action in self._actions if action.required]
        actions += [a for a in self._actions if not (a.option_strings or a.required)]
        rest = argparse.Action([], dest="", metavar="[options]")
        layout.add_usage(self.usage, [*actions, rest], [])

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        options, extra = self.parse_known_intermixed_args(args, namespace)
        for word in extra:
            option = word.partition("=")[0]
            hint = self.explain(option) if self.explain is not None else ""
            if not hint and word.startswith("-"):
                hint = self._nearest(option)
            self.error(f"unrecognized argument {word}{hint}")
        return options

    def _nearest(self, option: str) -> str:
        """The option that was meant; of a step, by the names of the step and of the parameter."""
        known = list(self._option_string_actions)
        shown = [o for o, of in self._option_string_actions.items() if of.help != argparse.SUPPRESS]
        section, dot, name = option.rpartition(".")
        of_steps: dict[str, list[str]] = {}
        for other in known:
            of_steps.setdefault(other.rpartition(".")[0], []).append(other.rpartition(".")[2])
        if not dot:  # of a step, which is not named
            end = "." + option.lstrip("-").replace("-", "_")
            same = [o for o in shown if o.startswith("--steps.") and o.endswith(end)]
            if 0 < len(same) <= _MOST_STEPS:
                return f"; did you mean {' or '.join(map(repr, same))}?"
        if not dot or section.count(".") != 1 or len(of_steps) == 1:
            return nearest(option, known)
        if section in of_steps:
            hint = nearest(name, of_steps[section])
            return hint.replace("'", f"'{section}.", 1) or "; --help-all shows all that there are"
        steps = list(dict.fromkeys(other.split(".")[1] for other in shown if "." in other))
        if not steps or nearest(section.partition(".")[2], steps):
            return nearest(option, known)
        return f"; the steps are {', '.join(steps)}"

    def offer_hyphens(self) -> None:
        """Has a shell complete the names of options with hyphens, too."""
        for action in self._actions:
            forms = {canonical(option): None for option in action.option_strings if "_" in option}
            action.option_strings = [*action.option_strings, *forms]

    def _parse_optional(self, arg_string: str) -> Any:
        # What argparse asks of each word that may be an option, also while a shell completes it.
        return super()._parse_optional(self._in_known_form(arg_string))

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            if action.type not in _NUMBERS:
                raise
            message = f"{arg_string!r}: expected {_NUMBERS[action.type]}"
            raise argparse.ArgumentError(action, message) from None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = list(map(str, action.choices))
            hint = nearest(str(value), choices) or f"; there are {', '.join(choices)}"
            raise argparse.ArgumentError(action, f"there is no {value!r}{hint}")

    def _in_known_form(self, word: str) -> str:
        """A word with its hyphens and underscores as the option has them that it means."""
        option, equals, value = word.partition("=")
        known = self._option_string_actions
        if not option.startswith("--") or option in known:
            return word
        meant = canonical(option)
        found = [name for name in known if canonical(name) == meant]
        if not found and not any(name.startswith(option) for name in known):
            found = [name for name in known if canonical(name).startswith(meant)]
        if len({id(known[name]) for name in found}) > 1:
            self.error(f"ambiguous option {option}: it could be {', '.join(found)}")
        return f"{found[0]}{equals}{value}" if found else word


def _is_seldom(action: argparse.Action) -> bool:
    return getattr(action, "is_seldom", False)


def add_help_all(parser: argparse._ActionsContainer) -> None:
    """Adds what shows the options that help leaves out at first."""
    parser.add_argument("--help-all", action=_HelpAll, help="show all options and exit")


class _HelpAll(argparse.Action):
    """Prints the help with every option, and exits."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **kwargs)

    def __call__(self, parser: Any, *_: Any) -> None:
        print(parser.format_all_help(), end="")
        parser.exit()
