"""What both command lines share: one configuration from flags, environment and a TOML file, and their exit codes.

Precedence: flag, environment variable, file, preset, default. An unknown key in the file is an error. Exit codes: 0
done, 1 failed with a sentence on stderr, 2 wrong usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict, Env, Toml

from shared.errors import CovspecError, InvalidValue

Settings = Mapping[str, object]


class Presets:
    """The settings that a name stands for, as one more source of configuration, after all others."""

    def __init__(self, settings: Mapping[str, Settings]) -> None:
        self._settings = settings

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Fill in what nothing else has said, if --preset was said anywhere."""
        name = next((a.tokens[-1].value for a in arguments if "--preset" in a.names and a.tokens), None)
        settings = self._settings.get(name or "", {})
        Dict(dict(settings), use_commands_as_keys=False, source=f"--preset {name}")(app, commands, arguments)


def run(
    app: App,
    environment_prefix: str,
    arguments: Sequence[str] | None = None,
    presets: Mapping[str, Settings] | None = None,
) -> int:
    """Run `app` on `arguments`, the process's own if None; the exit code.

    `presets`: what the names of --preset stand for.
    """

    variable = os.environ.get(f"{environment_prefix}CONFIG")
    named = Path(variable) if variable else None

    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Path | None = named,
    ) -> int:
        """Read the configuration file first.

        Parameters
        ----------
        config
            TOML file with the long names of the options as keys.
        """
        if config is not None and not config.is_file():
            raise InvalidValue("config", str(config), "there is no such file")
        environment = Env(environment_prefix, command=False)
        file = [Toml(config, use_commands_as_keys=False)] if config else []
        app.config = (environment, *file, Presets(presets or {}))
        return int(app(tokens, exit_on_error=False) or 0)

    try:
        return int(app.meta(arguments, exit_on_error=False) or 0)
    except CycloptsError:
        return 2  # it has said why
    except CovspecError as refused:
        _say(app, refused)
        return 2 if type(refused) is InvalidValue else 1  # its subclasses are about pictures and prompts
    except BrokenPipeError:  # who read the answer wants no more of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as failed:
        _say(app, failed)
        return 1
    except KeyboardInterrupt:
        return 130


def _say(app: App, error: Exception) -> None:
    print(f"{app.name[0]}: {error}", file=sys.stderr)  # noqa: T201 - a command line's own output
