# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/metrics as vLLM's Prometheus endpoint has it; the counters move with the requests."""

from __future__ import annotations

import threading

COUNTERS = ("prompt_tokens", "generation_tokens", "num_preemptions")
SPECULATIVE = ("spec_decode_num_drafts", "spec_decode_num_draft_tokens", "spec_decode_num_accepted_tokens")


class Metrics:
    """Thread-safe; `speculative` is the number of draft tokens of a step, 0 without a speculative configuration."""

    def __init__(self, model: str, cache_tokens: int, block_size: int, speculative: int) -> None:
        self.label = f'engine="0",model_name="{model}"'
        self.cache_tokens, self.block_size, self.speculative = cache_tokens, block_size, speculative
        self.lock = threading.Lock()
        self.running = 0
        self.tokens_in_cache = 0
        self.counters: dict[str, int] = dict.fromkeys((*COUNTERS, *SPECULATIVE), 0)
        self.success: dict[str, int] = {"stop": 0, "length": 0}

    def begin(self, prompt_tokens: int) -> None:
        """A request runs."""
        with self.lock:
            self.running += 1
            self.tokens_in_cache += prompt_tokens
            self.counters["prompt_tokens"] += prompt_tokens

    def token(self) -> None:
        """One came out; with speculation, one draft was made and its first token accepted."""
        with self.lock:
            self.counters["generation_tokens"] += 1
            if self.speculative:
                for name, count in zip(SPECULATIVE, (1, self.speculative, 1)):
                    self.counters[name] += count

    def end(self, prompt_tokens: int, reason: str) -> None:
        """A request is done: `stop`, `length`, or empty when it failed."""
        with self.lock:
            self.running -= 1
            self.tokens_in_cache -= prompt_tokens
            if reason:
                self.success[reason] += 1

    def text(self) -> str:
        """In the exposition format."""
        with self.lock:
            lines: list[str] = []
            gauges = {
                "num_requests_running": float(self.running),
                "num_requests_waiting": 0.0,
                "kv_cache_usage_perc": self.tokens_in_cache / self.cache_tokens,
            }
            for name, value in gauges.items():
                lines += [f"# TYPE vllm:{name} gauge", f"vllm:{name}{{{self.label}}} {value}"]
            for name in (*COUNTERS, *(SPECULATIVE if self.speculative else ())):
                lines += [f"# TYPE vllm:{name}_total counter", f"vllm:{name}_total{{{self.label}}} {float(self.counters[name])}"]
            if self.speculative:
                for position in range(self.speculative):
                    count = float(self.counters[SPECULATIVE[2]] if position == 0 else 0)
                    lines.append(f'vllm:spec_decode_num_accepted_tokens_per_pos_total{{{self.label},position="{position}"}} {count}')
            lines.append("# TYPE vllm:request_success_total counter")
            for reason, number in self.success.items():
                lines.append(f'vllm:request_success_total{{{self.label},finished_reason="{reason}"}} {float(number)}')
            blocks = self.cache_tokens // self.block_size
            lines.append(f'vllm:cache_config_info{{block_size="{self.block_size}",num_gpu_blocks="{blocks}",engine="0"}} 1.0')
        return "\n".join(lines) + "\n"
