"""What both command lines share: one configuration from flags, environment and a TOML file, and their exit codes.

Precedence: flag, environment variable, file, default. An unknown key in the file is an error. Exit codes: 0 done,
1 failed with a sentence on stderr, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Env, Toml

from shared.errors import CovspecError


def run(app: App, environment_prefix: str) -> int:
    """Run `app` on the process's arguments; the exit code."""

    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)], config: Path | None = None
    ) -> int:
        """Read the configuration file first.

        Parameters
        ----------
        config
            TOML file with the long names of the options as keys.
        """
        environment = Env(environment_prefix, command=False)
        file = [Toml(config, must_exist=True, use_commands_as_keys=False)] if config else []
        app.config = (environment, *file)
        return int(app(tokens, exit_on_error=False) or 0)

    try:
        return int(app.meta(exit_on_error=False) or 0)
    except (CycloptsError, FileNotFoundError) as wrong:
        if isinstance(wrong, FileNotFoundError):
            print(f"{app.name[0]}: {wrong}", file=sys.stderr)  # noqa: T201 - a command line's own output
        return 2
    except CovspecError as refused:
        print(f"{app.name[0]}: {refused}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
