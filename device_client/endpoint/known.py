"""Which fields of a chat completion are honoured, harmless, or asked for in vain, at every depth.

Guarantees: none is dropped in silence. One that is harmless says nothing about the answer; one that would is taken with
the values that ask for nothing and refused by name with all others; null is as good as absent everywhere, and so is
what is empty in a field that is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from device_client.endpoint.fields import Fields, beneath, kind
from device_client.endpoint.refusals import UnsupportedField
from shared.errors import InvalidValue

NUMBERS = ("temperature", "top_p", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty")
_REQUEST = {
    *NUMBERS,
    *("model", "messages", "n", "stream", "stream_options", "seed", "stop", "max_tokens", "max_completion_tokens"),
    *("logprobs", "logit_bias", "top_k", "stop_token_ids", "ignore_eos"),
    *("tools", "tool_choice", "functions", "function_call"),  # looked at together
}
# They say something about the caller, about bookkeeping, or how much a model is to think that does not think.
_REQUEST_HARMLESS = {
    *("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    *("request_id", "priority", "keep_alive", "cache_prompt", "parallel_tool_calls", "reasoning_effort"),
    *("cache_salt", "include_reasoning", "separate_reasoning", "stream_reasoning", "reasoning_format", "id_slot"),
    # Of samplers that their own switches below leave off.
    *("mirostat_tau", "mirostat_eta", "dynatemp_exponent", "xtc_threshold", "repeat_last_n"),
    *("dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers"),
}
_REQUEST_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "verbosity": ("medium",),
    "web_search_options": (),
    "top_logprobs": (0,),
    # vLLM's
    "add_generation_prompt": (True,),
    "continue_final_message": (False,),
    "add_special_tokens": (False,),
    "chat_template": (),
    "chat_template_kwargs": ({},),
    "mm_processor_kwargs": ({},),
    "documents": ([],),
    "echo": (False,),
    "best_of": (1,),
    "use_beam_search": (False,),
    "length_penalty": (1,),
    "min_tokens": (0,),
    "bad_words": ([],),
    "allowed_token_ids": (),
    "include_stop_str_in_output": (False,),
    "skip_special_tokens": (True,),
    "spaces_between_special_tokens": (True,),
    "truncate_prompt_tokens": (-1,),
    "prompt_logprobs": (),
    "return_token_ids": (False,),
    "return_tokens_as_token_ids": (False,),
    "thinking_token_budget": (),
    "no_stop_trim": (False,),
    "return_hidden_states": (False,),
    "structured_outputs": (),
    "guided_json": (),
    "guided_regex": (),
    "guided_choice": (),
    "guided_grammar": (),
    # llama.cpp's and Ollama's
    "repeat_penalty": (1,),
    "typical_p": (1,),
    "typ_p": (1,),
    "mirostat": (0,),
    "dynatemp_range": (0,),
    "dry_multiplier": (0,),
    "xtc_probability": (0,),
    "n_probs": (0,),
    "tfs_z": (1,),
    "top_a": (0,),
    "top_n_sigma": (-1,),
    "min_keep": (0,),
    "n_keep": (0,),
    "post_sampling_probs": (False,),
    "timings_per_token": (False,),
    "return_progress": (False,),
    "return_tokens": (False,),
    "grammar": ("",),
    "json_schema": (),
    "think": (False,),
    "enable_thinking": (False,),
    "thinking": ({"type": "disabled"},),
}
_STREAM_NEUTRAL: Mapping[str, tuple[Any, ...]] = {"include_obfuscation": (False,), "continuous_usage_stats": (False,)}
_MESSAGE_HARMLESS = {"name", "id", "cache_control"}
_MESSAGE_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "tool_calls": ([],),
    "function_call": (),
    "tool_call_id": (),
    "audio": (),
    "refusal": ("",),
    "annotations": ([],),
    "reasoning": ("",),
    "reasoning_content": ("",),
    "prefix": (False,),
    "partial": (False,),
}
_TOOLS = {"tools": "tool_choice", "functions": "function_call"}


def check_request(fields: Fields) -> None:
    """Raises UnsupportedField, InvalidValue for what a request may not ask for here."""
    _check("", fields, _REQUEST, _REQUEST_HARMLESS, _REQUEST_NEUTRAL)
    for tools, choice in _TOOLS.items():
        chosen = fields.get(choice)
        if chosen not in (None, "none", "auto"):
            raise UnsupportedField(choice, f"{choice} other than none is not supported by this endpoint")
        if fields.get(tools) not in (None, []) and chosen != "none":
            raise UnsupportedField(tools, f"{tools} are not supported by this endpoint, but with {choice} none")


def check_stream_options(where: str, fields: Fields) -> None:
    """The same of stream_options."""
    _check(where, fields, {"include_usage"}, set(), _STREAM_NEUTRAL)


def check_message(where: str, fields: Fields) -> None:
    """The same of a message."""
    _check(where, fields, {"role", "content"}, _MESSAGE_HARMLESS, _MESSAGE_NEUTRAL)


def check_part(where: str, fields: Fields, known: Collection[str]) -> None:
    """The same of a part of a message, or of the object in it that names its picture."""
    _check(where, fields, known, {"cache_control"}, {})


def _check(
    where: str,
    fields: Fields,
    honoured: Collection[str],
    harmless: Collection[str],
    neutral: Mapping[str, tuple[Any, ...]],
) -> None:
    for name, value in fields.items():
        if value is None or name in honoured or name in harmless:
            continue
        path = beneath(where, name)
        if name not in neutral and _is_empty(value):
            continue
        if name not in neutral:
            raise InvalidValue(path, kind(value), "is no field that this endpoint knows")
        if not any(_is(value, nothing) for nothing in neutral[name]):
            raise UnsupportedField(path, f"{path} is {kind(value)}: that is not supported by this endpoint")


def _is_empty(value: Any) -> bool:
    return isinstance(value, str | list | dict) and not value


def _is(value: Any, nothing: Any) -> bool:
    if isinstance(value, bool) or isinstance(nothing, bool):
        return value is nothing
    return bool(value == nothing)
