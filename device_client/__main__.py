"""The command line of the device: `device-client`, or `python -m device_client`. What is heavy is imported by verbs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from device_client.bench.config import BenchOptions
from device_client.config import STDIN, DeviceConfig, PictureOptions, SamplingOptions, ShowOptions, check_text
from device_client.endpoint.config import EndpointConfig
from device_client.presets import PRESETS
from shared.command_line import run
from shared.errors import InvalidValue


def _version() -> str:
    from importlib.metadata import version  # it takes as long as all of ours

    return version("covspec")


app = App(
    name="device-client",
    help="Ask an edge server about pictures, with a draft model on this device ahead of it.",
    version=_version,
    result_action="return_value",
)

Flag = Annotated[bool, Parameter(negative=())]


@app.command
def ask(
    *image_and_prompt: Annotated[str, Parameter(name="IMAGE... PROMPT", negative=())],
    pictures: PictureOptions = PictureOptions(),  # noqa: B008 - frozen
    show: ShowOptions = ShowOptions(),  # noqa: B008 - frozen
    json: Flag = False,
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
        Picture files, - for stdin (before any option), or URLs with --allow-url; and last the question.
    json
        Print one JSON object with text, ids and figures instead of the streamed text.
    trace
        File for a timeline of both ends, to open in Perfetto or chrome://tracing.
    """
    prompt = _question(image_and_prompt)
    from device_client.ask import Sources, Wanted, answer_on  # heavy: torch, transformers, grpc
    from device_client.show import Screen

    sources = Sources(image_and_prompt[:-1], pictures)
    wanted = Wanted(sources, prompt, sampling.wish(), show.verbose, trace)
    return answer_on(wanted, config, Screen(show.color, as_json=json, verbose=show.verbose, quiet=show.quiet))


@app.command
def chat(
    *image: Annotated[str, Parameter(name="IMAGE...", negative=())],
    system: str = "",
    trace: Path | None = None,
    pictures: PictureOptions = PictureOptions(),  # noqa: B008 - frozen
    show: ShowOptions = ShowOptions(),  # noqa: B008 - frozen
    config: DeviceConfig = DeviceConfig(),  # noqa: B008 - frozen
    sampling: SamplingOptions = SamplingOptions(),  # noqa: B008 - frozen
) -> int:
    """Talk in turns; pictures can be added on the way. /help tells how. Ctrl-C stops an answer, Ctrl-D ends the chat.

    Parameters
    ----------
    image
        Pictures for the first question.
    system
        How the model is to be.
    trace
        File for timelines of both ends, one for each answer: of out.json come out-1.json, out-2.json.
    """
    check_text("system", system)
    from device_client.ask import Sources  # heavy, as above
    from device_client.show import Screen
    from device_client.talk import Habits, talk_on

    screen = Screen(show.color, as_json=False, verbose=show.verbose, quiet=show.quiet)
    habits = Habits(sampling.wish(), system, pictures.allow_url, show.verbose, trace)
    return talk_on(Sources(image, pictures), habits, config, screen)


@app.command
def doctor(
    *,
    color: Literal["auto", "always", "never"] = "auto",
    config: DeviceConfig = DeviceConfig(),  # noqa: B008 - frozen
) -> int:
    """Check the edge, the fit of the two models and the link, and measure what speed is to be expected and why.

    Parameters
    ----------
    color
        Colours; auto: on a terminal.
    """
    from device_client.doctor import examine  # heavy, as above
    from device_client.show import Screen

    return examine(config, Screen(color, as_json=False))


@app.command
def bench(
    *image_and_prompt: Annotated[str, Parameter(name="[IMAGE... PROMPT]", negative=())],
    options: BenchOptions = BenchOptions(),  # noqa: B008 - frozen
    pictures: PictureOptions = PictureOptions(),  # noqa: B008 - frozen
    json: Flag = False,
    config: DeviceConfig = DeviceConfig(),  # noqa: B008 - frozen
    sampling: SamplingOptions = SamplingOptions(),  # noqa: B008 - frozen
) -> int:
    """Measure what drafting brings here: each question is asked with it and without, over your link to your edge.

    Parameters
    ----------
    image_and_prompt
        Pictures and a question of your own, as for `ask`; without them the packaged samples are asked about.
    json
        Print one JSON object, with the figures of each answer, instead of lines.
    """
    prompt = _question(image_and_prompt) if image_and_prompt else None
    from json import dumps

    from device_client.ask import Sources  # heavy, as above
    from device_client.bench.measure import compare_on

    found = compare_on(prompt, Sources(image_and_prompt[:-1], pictures), sampling.wish(), options, config)
    print(dumps(found.as_json()) if json else "\n".join(found.lines()))  # noqa: T201
    return 0


@app.command
def serve(
    *,
    endpoint: EndpointConfig = EndpointConfig(),  # noqa: B008 - frozen
    config: DeviceConfig = DeviceConfig(),  # noqa: B008 - frozen
) -> int:
    """Serve an OpenAI-compatible endpoint on this device: /v1/chat/completions, /v1/models, /health, /metrics."""
    from device_client.endpoint.serve import serve_on  # heavy, as above

    return serve_on(config, endpoint)


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
    check_text("PROMPT", prompt)
    from json import dumps

    from device_client.see import check_out, loaded, look_at, write  # heavy: torch, transformers

    if out is not None:
        check_out(out)
    seen = look_at(image, prompt, config, loaded(config))
    if out is not None:
        write(seen.drawn(prompt), out)
    if json:
        print(dumps({"prompt": prompt, "prune": config.prune, "keep": config.keep, **seen.as_json()}))  # noqa: T201
    else:
        written = f"; {out} shows which" if out is not None else ""
        print(f"{len(seen.kept)} of {len(seen.boxes)} visual tokens enter the draft{written}")  # noqa: T201
    return 0


def _question(image_and_prompt: tuple[str, ...]) -> str:
    """What is asked, behind the pictures. Raises InvalidValue."""
    if not image_and_prompt or not image_and_prompt[-1].strip():
        raise InvalidValue("PROMPT", "", "say what you want to know: device-client ask IMAGE... PROMPT")
    check_text("PROMPT", image_and_prompt[-1])
    if len(image_and_prompt) == 1 and Path(image_and_prompt[0]).is_file():
        raise InvalidValue("PROMPT", image_and_prompt[0], "is a file; the question comes after the pictures")
    return image_and_prompt[-1]


def main() -> None:
    """The entry point."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what gRPC finds wrong is told in our own sentences
    presets = {str(name): settings for name, settings in PRESETS.items()}
    sys.exit(run(app, _without_dash(sys.argv[1:]), presets))


def _without_dash(arguments: list[str]) -> list[str]:
    """The parser takes a lone `-` for an option: as a picture, before any option, it gets another name."""
    first_option = next((at for at, each in enumerate(arguments) if each.startswith("--")), len(arguments))
    return [STDIN if each == "-" and at < first_option else each for at, each in enumerate(arguments)]


if __name__ == "__main__":
    main()
