"""The command line of the device: `device-client`, or `python -m device_client`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from device_client.config import DeviceConfig, SamplingOptions
from shared.command_line import run
from shared.errors import InvalidValue

app = App(
    name="device-client",
    help="Ask an edge server about pictures, with a draft model on this device ahead of it.",
    version=version("covspec"),
    result_action="return_value",
)


@app.command
def ask(
    *image_and_prompt: Annotated[str, Parameter(name="IMAGE... PROMPT", negative=())],
    json: Annotated[bool, Parameter(negative=())] = False,
    color: Literal["auto", "always", "never"] = "auto",
    verbose: Annotated[bool, Parameter(negative=())] = False,
    trace: Path | None = None,
    config: DeviceConfig = DeviceConfig(),  # noqa: B008 - frozen
    sampling: SamplingOptions = SamplingOptions(),  # noqa: B008 - frozen
) -> int:
    """Ask one question about any number of pictures.

    The text goes to stdout, everything else to stderr. Every option can also be set in the environment
    (COVSPEC_DEVICE_EDGE for --edge) or in the file of --config.

    Parameters
    ----------
    image_and_prompt
        Picture files, and last the question.
    json
        Print one JSON object with text, ids and figures instead of the streamed text.
    color
        Tell by colour what the edge had to say itself; auto: on a terminal.
    verbose
        Say on stderr what runs here and there, and each try after a break.
    trace
        File for a timeline of both ends, to open in Perfetto or chrome://tracing.
    """
    if not image_and_prompt or not image_and_prompt[-1].strip():
        raise InvalidValue("PROMPT", "", "say what you want to know: device-client ask IMAGE... PROMPT")
    if len(image_and_prompt) == 1 and Path(image_and_prompt[0]).is_file():
        raise InvalidValue("PROMPT", image_and_prompt[0], "is a file; the question comes after the pictures")
    from device_client.ask import Wanted, answer_on  # heavy: torch, transformers, grpc
    from device_client.show import Screen

    pictures = tuple(Path(name) for name in image_and_prompt[:-1])
    wanted = Wanted(pictures, image_and_prompt[-1], sampling.wish(), verbose, trace)
    return answer_on(wanted, config, Screen(color, as_json=json))


@app.command
def see(
    image: Annotated[Path, Parameter(name="IMAGE")],
    prompt: Annotated[str, Parameter(name="PROMPT")],
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    json: Annotated[bool, Parameter(negative=())] = False,
    config: DeviceConfig = DeviceConfig(),  # noqa: B008 - frozen
) -> int:
    """Show what of a picture the draft would read for a question, and why. No edge is asked.

    For each visual token: whether it is kept by --prune and --keep, and the three scores of covspec.

    Parameters
    ----------
    image
        Picture file.
    prompt
        The question.
    out
        Picture to write, with the kept tokens and their scores over the image.
    json
        Print all tokens with boxes and scores as one JSON object.
    """
    from json import dumps

    from device_client.see import loaded, look_at  # heavy: torch, transformers

    seen = look_at(image, prompt, config, loaded(config))
    if out is not None:
        seen.drawn(prompt).save(out)
    if json:
        print(dumps({"prompt": prompt, "prune": config.prune, "keep": config.keep, **seen.as_json()}))  # noqa: T201
    else:
        written = f"; {out} shows which" if out is not None else ""
        print(f"{len(seen.kept)} of {len(seen.boxes)} visual tokens enter the draft{written}")  # noqa: T201
    return 0


def main() -> None:
    """The entry point."""
    sys.exit(run(app, "COVSPEC_DEVICE_"))


if __name__ == "__main__":
    main()
