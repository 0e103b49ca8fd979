"""What both command lines share: one configuration from flags, environment and a TOML file, and their exit codes.

Precedence: flag, environment variable, file, preset, default. Exit codes: 0 done, 1 failed with a sentence on stderr,
2 wrong usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from shared.config_file import ConfigFile, Hints
from shared.environment import PREFIXES, Environment, option_name, unknown_variables
from shared.errors import CovspecError, InvalidValue
from shared.option_names import EDGE
from shared.option_values import ConfigurationError, plain
from shared.streams import lose_output, standard_streams

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


class File:
    """A configuration file as a source. `places` is told where each option's value stands."""

    def __init__(self, file: ConfigFile, places: MutableMapping[str, str]) -> None:
        self._file = file
        self._places = places

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Fill in what flags and environment have not said."""
        settings = self._file.settings(commands[-1] if commands else EDGE)
        for argument in arguments:
            option = option_name(argument.name)
            if option not in settings or argument.children or argument.tokens:
                continue
            setting = settings[option]
            value = setting.value
            if plain(argument.hint) is Path and isinstance(value, str):
                value = os.path.expanduser(value)
            Dict({option: value}, use_commands_as_keys=False, source=setting.where)(app, commands, arguments)
            self._places[option] = setting.where


def hints(app: App) -> Hints:
    """The options of each verb of `app` by name, with their types; those of `app` itself, if it has no verbs."""
    verbs = [name for name in app if not name.startswith("-")]
    made = {verb: app[verb] for verb in verbs} or {app.name[0]: app}
    return {
        verb: {
            option: argument.hint
            for argument in one.assemble_argument_collection()
            if not argument.children and (option := option_name(argument.name)) is not None
        }
        for verb, one in made.items()
    }


def run(
    app: App,
    arguments: Sequence[str] | None = None,
    presets: Mapping[str, Settings] | None = None,
) -> int:
    """Run `app` on `arguments`, the process's own if None; the exit code.

    `presets`: what the names of --preset stand for.
    """
    prefix = PREFIXES[app.name[0]]
    variable = os.environ.get(f"{prefix}CONFIG")
    named = Path(variable) if variable else None
    places: dict[str, str] = {}  # where what was not said by a flag stands

    app.meta.default_command = None  # of a run before, in the same process

    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Path | None = named,
    ) -> int:
        """Read the configuration file first.

        Parameters
        ----------
        config
            TOML file with the long names of the options as keys; a table such as [serve] is for one verb alone.
        """
        for sentence in unknown_variables(os.environ):
            _say(app, f"note: {sentence}")
        file = [] if config is None else [File(ConfigFile(config, hints(app)), places)]
        before, app.config = app.config, (Environment(prefix, os.environ, places), *file, Presets(presets or {}))
        try:
            return int(app(tokens, exit_on_error=False) or 0)
        finally:
            app.config = before

    return _guarded(app, places, lambda: int(app.meta(arguments, exit_on_error=False) or 0))


def _guarded(app: App, places: Mapping[str, str], job: Callable[[], int]) -> int:
    """The exit code of `job`, whatever it raises and whatever the three standard streams are."""
    with standard_streams():
        try:
            code = job()
            sys.stdout.flush()
        except CycloptsError:
            return 2  # it has said why
        except CovspecError as refused:
            where = places.get(refused.field or "", "") if isinstance(refused, InvalidValue) else ""
            _say(app, f"{refused} ({where})" if where else str(refused))
            return 2 if type(refused) in (InvalidValue, ConfigurationError) else 1  # subclasses: pictures, prompts
        except OSError as failed:
            if (sentence := lose_output(failed)) is not None:
                _say(app, sentence)
            return 1
        except KeyboardInterrupt:
            return 130
        return code


def _say(app: App, sentence: str) -> None:
    print(f"{app.name[0]}: {sentence}", file=sys.stderr)  # noqa: T201 - a command line's own output
