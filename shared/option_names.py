"""The options of every verb by the names that files and variables have for them. `make env` writes this."""

from __future__ import annotations

from collections.abc import Mapping

EDGE, DEVICE = "edge-server", "device-client"

_OPTIONS: Mapping[str, str] = {
    "edge-server": """
        allow_lossy attends decode_mib device drain_seconds dtype events host idle_seconds image_cache_mib insecure
        log_format log_level max_ahead max_batch max_connections max_image_megapixels max_image_mib max_images
        max_messages_per_second max_openings_per_second max_queue max_sessions max_sessions_per_tenant
        max_stream_seconds max_window metrics_host metrics_port model park_seconds port prefill_chunk proposals
        quantization reflection reuse_mib reuse_seconds sight_tokens tenants threads tls_cert tls_client_ca tls_key
        turn warm_up
    """,
    "ask": """
        allow_url alone bonus branches clipboard color device draft drafting dtype edge evidence fallback
        frequency_penalty gate gate_rule ignore_eos insecure json keep lockstep log_format max_tokens min_p
        most_branches pace policy prefer presence_penalty preset prune quiet reconnect_seconds repetition_penalty
        rule seed stop temperature threads tls tls_ca tls_cert tls_key tls_name token token_file top_k top_p trace
        tree tree_shape verbose window
    """,
    "chat": """
        allow_url alone bonus branches clipboard color device draft drafting dtype edge evidence fallback
        frequency_penalty gate gate_rule ignore_eos insecure keep lockstep log_format max_tokens min_p most_branches
        pace policy prefer presence_penalty preset prune quiet reconnect_seconds repetition_penalty rule seed stop
        system temperature threads tls tls_ca tls_cert tls_key tls_name token token_file top_k top_p trace tree
        tree_shape verbose window
    """,
    "doctor": """
        alone bonus branches color device draft drafting dtype edge evidence fallback gate gate_rule insecure keep
        lockstep log_format most_branches pace policy prefer preset prune reconnect_seconds rule threads tls tls_ca
        tls_cert tls_key tls_name token token_file tree tree_shape window
    """,
    "bench": """
        allow_url alone bonus branches clipboard device draft drafting dtype edge evidence fallback
        frequency_penalty gate gate_rule ignore_eos insecure json keep lockstep log_format max_tokens min_p
        most_branches pace pairs policy prefer presence_penalty preset prune reconnect_seconds repetition_penalty
        rule seed stop temperature threads tls tls_ca tls_cert tls_key tls_name token token_file top_k top_p tree
        tree_shape window
    """,
    "serve": """
        allow_url allowed_hosts alone anonymous api_key bonus branches decode_mib device draft drafting
        drain_seconds dtype edge evidence fallback gate gate_rule host insecure keep lockstep log_format log_level
        max_body_mib max_choices max_waiting most_branches pace parallel policy port prefer preset prune
        reconnect_seconds request_seconds rule served_model_name threads tls tls_ca tls_cert tls_key tls_name token
        token_file trace tree tree_shape window
    """,
    "see": """
        alone bonus branches device draft drafting dtype edge evidence fallback gate gate_rule insecure json keep
        lockstep log_format most_branches out pace policy prefer preset prune reconnect_seconds rule threads tls
        tls_ca tls_cert tls_key tls_name token token_file tree tree_shape window
    """,
}
OPTIONS: Mapping[str, frozenset[str]] = {verb: frozenset(names.split()) for verb, names in _OPTIONS.items()}
