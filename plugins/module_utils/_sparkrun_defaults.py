# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The `defaults` of a sparkrun recipe: values for the placeholders of its command, or, where it has none, the command itself.

Facts, read in sparkrun 0.4.2 (runtimes/_vllm_common.py, runtimes/base.py, RECIPES.md): without a command each key that sparkrun knows
becomes the option of that name; other keys are passed on to nobody.  A switch that is off is left out, or said as `--no-...` where vLLM has
it on.  With a command only `served_model_name` and `distributed_executor_backend` are looked at besides the placeholders.
"""

from __future__ import annotations

import typing as t

from ._sparkrun_options import Given
from ._sparkrun_report import Report
from ._sparkrun_shell import placeholders, text_of

# Key of defaults -> option, where the two differ by more than `_` and `-`.
_RENAMED = {
    "tensor_parallel": "tensor-parallel-size",
    "pipeline_parallel": "pipeline-parallel-size",
    "data_parallel": "data-parallel-size",
}
# Keys that sparkrun knows: switches, of them those that vLLM has on, and keys with a value.
_SWITCHES = (
    "async_scheduling disable_custom_all_reduce enable_auto_tool_choice enable_chunked_prefill enable_flashinfer_autotune "
    "enable_force_include_usage enable_mamba_shared_prefix_checkpoint enable_prefix_caching enable_prompt_tokens_details "
    "enable_request_id_headers enforce_eager scheduler_reserve_full_isl trust_remote_code"
)
_ON = "async_scheduling enable_chunked_prefill enable_flashinfer_autotune enable_prefix_caching scheduler_reserve_full_isl"
_VALUES = (
    "allowed_local_media_path api_key attention_backend attention_config block_size chat_template compilation_config "
    "dcp_comm_backend decode_refill_target default_chat_template_kwargs distributed_executor_backend dtype engram_config "
    "gdn_decode_kernel gdn_prefill_backend generation_config gpu_memory_utilization hf_overrides host jit_monitor_mode "
    "kda_prefill_backend kv_cache_dtype kv_cache_memory_bytes limit_mm_per_prompt linear_backend load_format "
    "long_prefill_token_threshold mamba_backend mamba_cache_dtype mamba_cache_mode mamba_ssm_cache_dtype "
    "max_cudagraph_capture_size max_model_len max_num_batched_tokens max_num_seqs max_parallel_prefills media_io_kwargs "
    "mm_encoder_tp_mode mm_processor_cache_gb model_loader_extra_config moe_backend otlp_traces_endpoint port "
    "prefill_compute_half_life prefill_compute_share prefill_policy prefill_schedule_interval prefix_cache_retention_interval "
    "prefix_match_unit quantization reasoning_parser reasoning_parser_plugin recurrent_checkpoint_policy safetensors_load_strategy "
    "seed served_model_name speculative_config tokenizer_mode tool_call_parser video_pruning_rate"
)


def of_defaults(defaults: t.Mapping[str, t.Any], report: Report) -> t.Iterator[Given]:
    """The options that the defaults of a recipe without a command stand for."""
    switches, on = _SWITCHES.split(), _ON.split()
    known = {*switches, *_VALUES.split(), *_RENAMED}
    for name, value in defaults.items():
        key, option = f"defaults.{name}", _RENAMED.get(name, str(name).replace("_", "-"))
        if name not in known:
            report.unknown(key, "sparkrun passes it on to nobody")
        elif value is None:
            report.dropped(key, "it has no value")
        elif name not in switches:
            yield Given(option, [], [text_of(value, key)], key)
        elif str(value).lower() in ("true", "1", "yes", "on"):
            yield Given(option, [], [], key)
        elif name in on:
            yield Given(f"no-{option}", [], [], key)
        else:
            report.dropped(key, "off, as it is unless it is said")


def unused(defaults: t.Mapping[str, t.Any], command: str, report: Report) -> None:
    """Report the defaults that a command never names."""
    for name in defaults:
        if str(name) not in placeholders(command, defaults) and name not in ("served_model_name", "distributed_executor_backend"):
            report.dropped(f"defaults.{name}", "the command does not use it")
