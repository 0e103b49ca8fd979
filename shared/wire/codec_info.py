"""What an edge serves, and vocabulary prints. The device reads an edge's limits here before it trusts them."""

from __future__ import annotations

from shared.errors import InvalidValue, ModelMismatch
from shared.speculation.prints import BLOCK, DIGEST, FINGERPRINT, REFERENCE, VocabularyPrint, VocabularyReference
from shared.wire import checks
from shared.wire.codec_enums import PACES, RULES, decode_pace, decode_rule
from shared.wire.handshake import PROTOCOL_VERSION, Limits, ServerInfo
from shared.wire.v1 import verify_pb2 as pb

DIGEST_BYTES = 32  # SHA-256
MAX_NAME_BYTES = 256  # names and versions, in UTF-8
MAX_OFFERS = 16  # paces, and rules
MAX_VOCABULARY = 2**20  # ids; the largest in use have a quarter of that
MAX_BYTES = 2**53  # bytes and pixels stay exact in anything that reads them as a double


def encode_info(info: ServerInfo) -> pb.GetServerInfoResponse:
    """`info`, with this build's protocol version."""
    return pb.GetServerInfoResponse(
        protocol_version=PROTOCOL_VERSION,
        model=info.model,
        family=info.family,
        vocabulary=encode_vocabulary(info.vocabulary),
        special_tokens_sha256=info.special_tokens,
        chat_template_sha256=info.chat_template,
        limits=_encode_limits(info.limits),
        paces=[PACES[pace] for pace in info.paces],
        rules=[RULES[rule] for rule in info.rules],
        version=info.version,
        lossy=info.lossy,
        image_processor_sha256=info.image_processor,
        trees=info.trees,
        attends=info.attends,
        fingerprint=info.fingerprint,
    )


def decode_info(message: pb.GetServerInfoResponse) -> ServerInfo:
    """What the edge says of itself. Raises ModelMismatch for another version of the protocol."""
    check_version("info.protocol_version", message.protocol_version)
    checks.at_most("info.paces", message.paces, MAX_OFFERS, "paces")
    checks.at_most("info.rules", message.rules, MAX_OFFERS, "rules")
    seen = message.image_processor_sha256
    if not message.paces:
        raise InvalidValue("info.paces", checks.NOT_SET, "must be at least one pace")
    return ServerInfo(
        model=checks.line("info.model", message.model, MAX_NAME_BYTES),
        family=checks.line("info.family", message.family, MAX_NAME_BYTES),
        fingerprint=checks.exactly("info.fingerprint", message.fingerprint, FINGERPRINT),
        vocabulary=decode_vocabulary("info.vocabulary", message.vocabulary),
        special_tokens=checks.exactly("info.special_tokens_sha256", message.special_tokens_sha256, DIGEST_BYTES),
        chat_template=checks.exactly("info.chat_template_sha256", message.chat_template_sha256, DIGEST_BYTES),
        limits=_decode_limits("info.limits", message.limits),
        paces=tuple(decode_pace(f"info.paces[{at}]", said) for at, said in enumerate(message.paces)),
        rules=tuple(decode_rule(f"info.rules[{at}]", said) for at, said in enumerate(message.rules)),
        version=checks.line("info.version", message.version, MAX_NAME_BYTES),
        lossy=message.lossy,
        image_processor=checks.exactly("info.image_processor_sha256", seen, DIGEST_BYTES) if seen else b"",
        trees=message.trees,
        attends=message.attends,
    )


def check_version(field: str, said: int) -> None:
    """Refuses a peer that speaks another version of the protocol."""
    if said != PROTOCOL_VERSION:
        raise ModelMismatch(f"{field} is {said}: this build speaks protocol version {PROTOCOL_VERSION}")


def encode_vocabulary(vocabulary: VocabularyPrint) -> pb.Vocabulary:
    """`vocabulary` as its size and block digests."""
    return pb.Vocabulary(size=vocabulary.size, blocks=vocabulary.blocks)


def decode_vocabulary(where: str, message: pb.Vocabulary) -> VocabularyPrint:
    """A vocabulary's print, with one digest for every block of its ids."""
    size = checks.within(f"{where}.size", message.size, 1, MAX_VOCABULARY)
    needed = -(-size // BLOCK) * DIGEST
    if len(message.blocks) != needed:
        told = checks.Shown(f"{len(message.blocks)} bytes")
        raise InvalidValue(f"{where}.blocks", told, f"must be {needed} bytes for {size} ids")
    return VocabularyPrint(size, message.blocks)


def encode_reference(reference: VocabularyReference) -> pb.VocabularyReference:
    """`reference`."""
    return pb.VocabularyReference(size=reference.size, digest=reference.digest)


def decode_reference(where: str, message: pb.VocabularyReference) -> VocabularyReference:
    """By what a vocabulary is known."""
    return VocabularyReference(
        size=checks.within(f"{where}.size", message.size, 1, MAX_VOCABULARY),
        digest=checks.exactly(f"{where}.digest", message.digest, REFERENCE),
    )


def _encode_limits(limits: Limits) -> pb.Limits:
    return pb.Limits(
        max_window=limits.max_window,
        max_ahead=limits.max_ahead,
        context_length=limits.context_length,
        max_images=limits.max_images,
        max_image_bytes=limits.max_image_bytes,
        max_image_pixels=limits.max_image_pixels,
        max_chunk_bytes=limits.max_chunk_bytes,
        max_text_bytes=limits.max_text_bytes,
        max_sessions=limits.max_sessions,
    )


def _decode_limits(where: str, message: pb.Limits) -> Limits:
    """An edge's limits. Only max_images may be 0: an edge for text alone."""
    most = checks.POSITIONS - 1
    return Limits(
        max_window=checks.within(f"{where}.max_window", message.max_window, 1, most),
        max_ahead=checks.within(f"{where}.max_ahead", message.max_ahead, 1, most),
        context_length=checks.within(f"{where}.context_length", message.context_length, 1, most),
        max_images=checks.within(f"{where}.max_images", message.max_images, 0, most),
        max_image_bytes=checks.within(f"{where}.max_image_bytes", message.max_image_bytes, 1, MAX_BYTES),
        max_image_pixels=checks.within(f"{where}.max_image_pixels", message.max_image_pixels, 1, MAX_BYTES),
        max_chunk_bytes=checks.within(f"{where}.max_chunk_bytes", message.max_chunk_bytes, 1, most),
        max_text_bytes=checks.within(f"{where}.max_text_bytes", message.max_text_bytes, 1, MAX_BYTES),
        max_sessions=checks.within(f"{where}.max_sessions", message.max_sessions, 1, most),
    )
