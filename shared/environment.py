"""Settings from the environment: `COVSPEC_DEVICE_EDGE` for the device's --edge, `COVSPEC_EDGE_PORT` for the edge's.

Guarantees: an empty variable counts as not set; a value that its option cannot take is refused with the variable's name
and not repeated; a name that neither end reads is told, with the one that is near it. One file of variables may serve
both ends and compose.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, MutableMapping

from cyclopts import App, Token
from cyclopts.argument import ArgumentCollection

from shared.option_names import DEVICE, EDGE, OPTIONS
from shared.option_values import ConfigurationError, text_problem

PREFIXES: Mapping[str, str] = {EDGE: "COVSPEC_EDGE_", DEVICE: "COVSPEC_DEVICE_"}

# What Kubernetes puts into every container beside a service called covspec-edge.
_SERVICE_LINK = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://.+")


class Environment:
    """The variables of one end as a source of configuration. `places` is told where each option's value stands."""

    def __init__(self, prefix: str, variables: Mapping[str, str], places: MutableMapping[str, str]) -> None:
        self._prefix = prefix
        self._variables = variables
        self._places = places

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Fill in what the command line has not said. Raises ConfigurationError."""
        for argument in arguments:
            option = option_name(argument.name)
            variable = f"{self._prefix}{(option or '').upper()}"
            text = self._variables.get(variable, "")
            if option is None or argument.children or argument.tokens or not text:
                continue
            if (wrong := text_problem(text, argument.hint)) is not None:
                told = _LINK if _LINK_VALUE.fullmatch(text) else ""
                raise ConfigurationError(f"the variable {variable} {wrong}{told}")
            for index, value in enumerate(argument.env_var_split(text)):
                argument.append(Token(keyword=variable, value=value, source="env", index=index))
            self._places[option] = variable


_LINK = (
    "; what it holds is a link to a service of Kubernetes: set enableServiceLinks to false, or give the service"
    " another name"
)


def option_name(flag: str) -> str | None:
    """The name of an option in files, `max_tokens` of `--max-tokens`; None for what is no option."""
    return flag[2:].replace("-", "_") if re.fullmatch(r"--[a-z][a-z0-9-]*", flag) else None


def unknown_variables(variables: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each variable that looks like one of ours and that neither end reads."""
    known = sorted(_known())
    for name in sorted(variables):
        if not name.upper().startswith("COVSPEC_") or name in known or _SERVICE_LINK.fullmatch(name):
            continue
        near = difflib.get_close_matches(name.upper(), known, 1)
        asked = f"; did you mean {near[0]}?" if near else ""
        shown = name if len(name) <= 80 else f"{name[:80]}…"
        yield f"nothing reads the variable {shown}{asked}"


def _known() -> Iterator[str]:
    for verb, names in OPTIONS.items():
        prefix = PREFIXES[EDGE if verb == EDGE else DEVICE]
        yield f"{prefix}CONFIG"
        yield from (f"{prefix}{name.upper()}" for name in names)
