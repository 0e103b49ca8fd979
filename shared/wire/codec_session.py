"""The messages that open, feed and resume a session, value <-> protobuf.

Checked here is what one message and the edge's limits can show; whether a session exists, whether a chunk follows the
one before it and whether two models fit each other is for the service to say.
"""

from __future__ import annotations

from shared.errors import InvalidValue
from shared.speculation.messages import Judging, Rule
from shared.speculation.prints import FINGERPRINT
from shared.speculation.request import ImageReference, Message, Part, Picture, Text
from shared.wire import checks
from shared.wire.codec_attended import decode_attend, encode_attend
from shared.wire.codec_enums import EVIDENCES, PACES, RULES, decode_evidence, decode_pace, decode_rule
from shared.wire.codec_info import DIGEST_BYTES, check_version, decode_reference, encode_reference
from shared.wire.codec_sampling import decode_parameters, decode_wish, encode_parameters, encode_wish
from shared.wire.handshake import (
    PROTOCOL_VERSION,
    DeviceProfile,
    ImageChunk,
    ImageHeld,
    Limits,
    Open,
    Opened,
    Queued,
    Resume,
)
from shared.wire.v1 import verify_pb2 as pb

SESSION_BYTES = 16  # a session's name, and its token
MAX_MESSAGES = 1024  # an empty turn costs two bytes on the wire and an object here, so the text limit is not enough
MAX_PARTS = 4096  # of all messages
MAX_CLIENT_BYTES = 256
ROLES = ("system", "user", "assistant")


def encode_open(opening: Open) -> pb.Open:
    """`opening`. Raises InvalidValue for text that UTF-8 cannot carry and for wishes that no edge would take."""
    return pb.Open(
        protocol_version=PROTOCOL_VERSION,
        messages=[_encode_message(f"open.messages[{at}]", message) for at, message in enumerate(opening.messages)],
        images=[pb.ImageReference(sha256=image.digest, size=image.size) for image in opening.images],
        sampling=encode_wish("open.sampling", opening.sampling),
        committed=opening.committed,
        device=_encode_device(opening.device),
        log_probabilities=opening.log_probabilities,
        trace=opening.trace,
        attend=encode_attend(opening.attend),
    )


def decode_open(message: pb.Open, limits: Limits) -> Open:
    """The beginning of an answer, within `limits`."""
    check_version("open.protocol_version", message.protocol_version)
    checks.at_most("open.images", message.images, limits.max_images, "pictures")
    return Open(
        messages=_decode_messages(message, limits),
        images=tuple(_decode_reference(f"open.images[{at}]", one, limits) for at, one in enumerate(message.images)),
        sampling=decode_wish("open.sampling", message.sampling),
        device=_decode_device("open.device", message.device, limits),
        committed=checks.ids("open.committed", message.committed, limits.context_length),
        log_probabilities=message.log_probabilities,
        trace=message.trace,
        attend=decode_attend("open.attend", message.attend) if message.HasField("attend") else None,
    )


def encode_chunk(chunk: ImageChunk) -> pb.ImageChunk:
    """`chunk`."""
    return pb.ImageChunk(image=chunk.image, offset=chunk.offset, data=chunk.data)


def decode_chunk(message: pb.ImageChunk, limits: Limits) -> ImageChunk:
    """A part of a picture: inside the largest picture, and of at least one byte, so that every chunk brings news."""
    size = len(message.data)
    if not 1 <= size <= limits.max_chunk_bytes:
        told = checks.Shown(f"{size} bytes")
        raise InvalidValue("image_chunk.data", told, f"must be 1 to {limits.max_chunk_bytes} bytes")
    if message.offset + size > limits.max_image_bytes:
        rule = f"with {size} bytes of data must not go beyond {limits.max_image_bytes} bytes"
        raise InvalidValue("image_chunk.offset", message.offset, rule)
    _check_image("image_chunk.image", message.image, limits.max_images)
    return ImageChunk(message.image, message.offset, message.data)


def encode_held(held: ImageHeld) -> pb.ImageHeld:
    """`held`."""
    return pb.ImageHeld(images=held.images)


def decode_held(message: pb.ImageHeld, limits: Limits) -> ImageHeld:
    """Indices of pictures that the edge has."""
    checks.at_most("image_held.images", message.images, limits.max_images, "pictures")
    for at, index in enumerate(message.images):
        _check_image(f"image_held.images[{at}]", index, limits.max_images)
    return ImageHeld(tuple(message.images))


def encode_queued(queued: Queued) -> pb.Queued:
    """`queued`."""
    return pb.Queued(place=queued.place)


def decode_queued(message: pb.Queued) -> Queued:
    """A place in line, from 1 on."""
    return Queued(checks.within("queued.place", message.place, 1, checks.POSITIONS - 1))


def encode_resume(resume: Resume) -> pb.Resume:
    """`resume`, with this build's protocol version."""
    return pb.Resume(protocol_version=PROTOCOL_VERSION, session=resume.session, token=resume.token, seen=resume.seen)


def decode_resume(message: pb.Resume, limits: Limits) -> Resume:
    """A device that comes back."""
    check_version("resume.protocol_version", message.protocol_version)
    return Resume(
        session=checks.exactly("resume.session", message.session, SESSION_BYTES),
        token=checks.exactly("resume.token", message.token, SESSION_BYTES),
        seen=checks.within("resume.seen", message.seen, 0, limits.context_length),
    )


def encode_opened(opened: Opened) -> pb.Opened:
    """`opened`, every scalar of its sampling parameters set."""
    return pb.Opened(
        session=opened.session,
        token=opened.token,
        sampling=encode_parameters(opened.sampling),
        prompt_tokens=opened.prompt_tokens,
        visual_tokens=opened.visual_tokens,
        common_ids=opened.common_ids,
        placeholder_ids=opened.placeholder_ids,
        window=opened.window,
        pace=PACES[opened.pace],
        park_seconds=opened.park_seconds,
        fingerprint=opened.fingerprint,
    )


def decode_opened(message: pb.Opened, limits: Limits) -> Opened:
    """What holds for an answer, within the edge's own `limits`."""
    prompt_tokens = checks.within("opened.prompt_tokens", message.prompt_tokens, 0, limits.context_length)
    common_ids = checks.position("opened.common_ids", message.common_ids)
    sampling = decode_parameters("opened.sampling", message.sampling)
    pace = decode_pace("opened.pace", message.pace)
    return Opened(
        session=checks.exactly("opened.session", message.session, SESSION_BYTES),
        token=checks.exactly("opened.token", message.token, SESSION_BYTES),
        sampling=sampling,
        prompt_tokens=prompt_tokens,
        visual_tokens=checks.within("opened.visual_tokens", message.visual_tokens, 0, prompt_tokens),
        common_ids=common_ids,
        placeholder_ids=checks.ids("opened.placeholder_ids", message.placeholder_ids, common_ids, common_ids),
        window=checks.within("opened.window", message.window, 1, limits.max_window),
        pace=pace,
        park_seconds=checks.position("opened.park_seconds", message.park_seconds),
        fingerprint=checks.exactly("opened.fingerprint", message.fingerprint, FINGERPRINT),
    )


def _encode_message(where: str, message: Message) -> pb.Message:
    return pb.Message(
        role=message.role,
        parts=[_encode_part(f"{where}.parts[{at}].text", part) for at, part in enumerate(message.parts)],
    )


def _encode_part(field: str, part: Part) -> pb.Part:
    match part:
        case Text(text):
            checks.utf8_size(field, text)
            return pb.Part(text=text)
        case Picture(index):
            return pb.Part(image=index)


def _decode_messages(message: pb.Open, limits: Limits) -> tuple[Message, ...]:
    if not message.messages:
        raise InvalidValue("open.messages", checks.Shown("empty"), "must hold at least one message")
    checks.at_most("open.messages", message.messages, MAX_MESSAGES, "messages")
    checks.at_most("open.messages", range(sum(len(turn.parts) for turn in message.messages)), MAX_PARTS, "parts")
    size = sum(len(part.text.encode()) for turn in message.messages for part in turn.parts)
    if size > limits.max_text_bytes:
        told = checks.Shown(f"{size} bytes of text")
        raise InvalidValue("open.messages", told, f"must be at most {limits.max_text_bytes} bytes of text")
    pictures = len(message.images)
    return tuple(_decode_message(f"open.messages[{at}]", turn, pictures) for at, turn in enumerate(message.messages))


def _decode_message(where: str, message: pb.Message, pictures: int) -> Message:
    if message.role not in ROLES:
        role = checks.shortened(message.role)
        raise InvalidValue(f"{where}.role", role, "must be system, user or assistant")
    return Message(
        message.role,
        tuple(_decode_part(f"{where}.parts[{at}]", part, pictures) for at, part in enumerate(message.parts)),
    )


def _decode_part(where: str, message: pb.Part, pictures: int) -> Part:
    match message.WhichOneof("content"):
        case "text":
            return Text(message.text)
        case "image":
            _check_image(f"{where}.image", message.image, pictures)
            return Picture(message.image)
        case _:
            raise InvalidValue(f"{where}.content", checks.NOT_SET, "must be text or image")


def _check_image(field: str, index: int, pictures: int) -> None:
    if index >= pictures:
        raise InvalidValue(field, index, f"must be below {pictures}, the number of pictures")


def _decode_reference(where: str, message: pb.ImageReference, limits: Limits) -> ImageReference:
    return ImageReference(
        digest=checks.exactly(f"{where}.sha256", message.sha256, DIGEST_BYTES),
        size=checks.within(f"{where}.size", message.size, 1, limits.max_image_bytes),
    )


def _encode_device(device: DeviceProfile) -> pb.DeviceProfile:
    checks.utf8_size("open.device.client", device.client)
    return pb.DeviceProfile(
        vocabulary=None if device.vocabulary is None else encode_reference(device.vocabulary),
        window=device.window,
        pace=None if device.pace is None else PACES[device.pace],
        rule=RULES[device.judging.rule],
        client=device.client,
        evidence=EVIDENCES[device.judging.evidence] if device.judging.rule is Rule.REJECTION else None,
        lossy=device.judging.lossy,
    )


def _decode_device(where: str, message: pb.DeviceProfile, limits: Limits) -> DeviceProfile:
    reference = message.vocabulary if message.HasField("vocabulary") else None
    return DeviceProfile(
        vocabulary=None if reference is None else decode_reference(f"{where}.vocabulary", reference),
        window=checks.within(f"{where}.window", message.window, 1, limits.max_window),
        pace=None if message.pace == pb.PACE_UNSPECIFIED else decode_pace(f"{where}.pace", message.pace),
        judging=_decode_judging(where, message),
        client=checks.line(f"{where}.client", message.client, MAX_CLIENT_BYTES),
    )


def _decode_judging(where: str, message: pb.DeviceProfile) -> Judging:
    rule = Rule.COUPLED if message.rule == pb.RULE_UNSPECIFIED else decode_rule(f"{where}.rule", message.rule)
    told = message.evidence if rule is Rule.REJECTION else pb.EVIDENCE_UNSPECIFIED
    if told == pb.EVIDENCE_UNSPECIFIED:
        return Judging(rule, lossy=message.lossy)
    return Judging(rule, decode_evidence(f"{where}.evidence", told), message.lossy)
