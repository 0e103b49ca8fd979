"""Templates take parts or strings; whatever they do with them, nothing that was asked is lost in silence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shared.errors import InvalidValue, ModelError
from shared.speculation.request import Message, Picture, Text
from shared.vlm.hub_vlm import HubVlm
from shared.vlm.load import load
from tests.support.tiny_qwen import TEMPLATE, picture, tiny_folder

OPEN, END = "{{- '<|im_start|>' + message.role + '\\n' }}", "{{- '<|im_end|>\\n' }}"
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
ANSWER = "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"


def of(content: str, before: str = "", each: str = "message in messages") -> str:
    """A template that writes `content` of each message."""
    return f"{before}{{%- for {each} %}}{OPEN}{content}{END}{{%- endfor %}}{ANSWER}"


PARTS = f"""{{%- for part in message.content %}}{{%- if part.type == 'image' %}}{{{{- '{PICTURE}' }}}}
{{%- else %}}{{{{- part.text }}}}{{%- endif %}}{{%- endfor %}}"""
BOTH = f"{{%- if message.content is string %}}{{{{- message.content }}}}{{%- else %}}{PARTS}{{%- endif %}}"
ALTERNATING = """{%- for message in messages %}{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('roles must alternate') }}{%- endif %}{%- endfor %}"""


def folder(into: Path, template: str) -> str:
    """The tiny model with another template."""
    shutil.copytree(tiny_folder(), into)
    (into / "chat_template.jinja").write_text(template)
    return str(into)


def rendered(vlm: HubVlm, *messages: Message, pictures: int = 0) -> str:
    """The prompt with each visual token as its own."""
    ids = vlm.prepare(messages, [picture(number) for number in range(pictures)]).ids
    return str(vlm._chat._tokenizer.decode(list(ids), skip_special_tokens=False))


def user(text: str, pictures: int = 0) -> Message:
    return Message("user", (*(Picture(number) for number in range(pictures)), Text(text)))


def loaded(into: Path, template: str) -> HubVlm:
    vlm = load(folder(into, template))
    assert isinstance(vlm, HubVlm)
    return vlm


@pytest.mark.parametrize(
    "content",
    [
        "{{- message.content }}",
        "{{- message['content'] | trim }}",
        "{{- message.content + '' }}",  # which a list refuses
        "{%- if message.content is string %}{{- message.content }}{%- endif %}",
        "{{- message.content.strip() }}",
    ],
)
def test_a_template_of_strings_gets_strings(tmp_path: Path, content: str) -> None:
    vlm = loaded(tmp_path / "m", of(content))
    text = "it's a\n\"cat\": what is here? {'type'}"
    asked = rendered(vlm, user(text), Message("assistant", (Text("a dog"),)), user("and the mat", 2), pictures=2)
    assert text in asked
    assert "a dog" in asked
    assert "and the mat" in asked
    assert "[{" not in asked
    whole = rendered(loaded(tmp_path / "parts", TEMPLATE), user(text))
    assert rendered(vlm, user(text)) == whole
    visual = vlm.prepare([user("x", 2)], [picture(0), picture(1)]).visual_tokens
    assert asked.count("<|image_pad|>") == sum(visual) > 2


@pytest.mark.parametrize("template", [TEMPLATE, of(PARTS), of(BOTH)])
def test_a_template_of_parts_gets_parts(tmp_path: Path, template: str) -> None:
    """Also one that would take strings, where a picture would have no mark of its own."""
    vlm = loaded(tmp_path / "m", template)
    asked = rendered(vlm, user("where is\nthe cat?", 1), pictures=1)
    assert "where is\nthe cat?" in asked
    assert asked.count("<|vision_start|>") == 1


LOST = "leaves out what message 0 (user) says"


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (of("{{- '' }}"), LOST),
        (of("{{- message.content | tojson }}"), LOST),
        (of("{{- message.text }}"), LOST),
        (of("{{- message.content | upper }}"), "leaves out|list"),
        (
            of("{%- for part in message.content %}{{- part.text }}{%- endfor %}"),
            "marks 0 pictures where a message has 1",
        ),
        (of(PARTS.replace(PICTURE, 2 * PICTURE)), "marks 2 pictures where a message has 1"),
        (of(PARTS.replace("part.text", "part.text + '<|image_pad|>'")), "marks 1 pictures where a message has 0"),
        ("{{- raise_exception('nobody may ask') }}", "nobody may ask"),
        (
            of(PARTS, before="{%- if messages | length < 2 %}{{- raise_exception('too short') }}{%- endif %}"),
            "too short",
        ),
        ("{%- for", "takes no question"),
    ],
)
def test_a_template_that_loses_a_question_is_refused_at_load(tmp_path: Path, template: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence.replace("(", r"\(").replace(")", r"\)")) as caught:
        load(folder(tmp_path / "m", template))
    assert "chat template" in str(caught.value)
    assert "\n" not in str(caught.value)


SYSTEM = Message("system", (Text("be brief"),))


@pytest.mark.parametrize(
    ("template", "messages", "sentence"),
    [
        (
            of(PARTS, each="message in messages if message.role != 'system'"),
            (SYSTEM, user("who?")),
            "message 0 (system)",
        ),
        (
            of(PARTS, each="message in messages[-1:]"),
            (user("who?"), user("where?")),
            "leaves out what message 0 (user)",
        ),
        (of(PARTS, before=ALTERNATING), (SYSTEM, user("who?")), "refuses them (roles must alternate)"),
        (of(PARTS.replace("part.text", "part.text[:3]")), None, ""),
    ],
)
def test_what_a_template_leaves_out_of_a_chat_is_refused(
    tmp_path: Path, template: str, messages: tuple[Message, ...] | None, sentence: str
) -> None:
    if messages is None:  # what it cuts it cuts of every question
        with pytest.raises(ModelError, match="leaves out"):
            load(folder(tmp_path / "m", template))
        return
    vlm = loaded(tmp_path / "m", template)
    assert "who?" in rendered(vlm, user("who?"))
    with pytest.raises(InvalidValue, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        vlm.prepare(messages, ())


def test_a_template_may_put_the_system_behind_and_cut_what_an_assistant_thought(tmp_path: Path) -> None:
    last = "{%- for message in messages if message.role == 'system' %}" + OPEN + PARTS + END + "{%- endfor %}"
    first = of(
        "{%- if message.role == 'assistant' %}{{- message.content[0].text.split('/')[-1] }}{%- else %}"
        + PARTS
        + "{%- endif %}",
        each="message in messages if message.role != 'system'",
    )
    vlm = loaded(tmp_path / "m", first.replace(ANSWER, last + ANSWER))
    asked = rendered(vlm, SYSTEM, user("who?"), Message("assistant", (Text("hm/me"),)), user("who?"))
    assert asked.index("be brief") > asked.rindex("who?")
    assert "hm" not in asked
    assert rendered(vlm, SYSTEM, user(" who?\n"), user("")).count("who?") == 1
