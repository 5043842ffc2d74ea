"""What a rate of single transfers needs, from the processor time that each process was measured to spend on one."""

from typing import Final

from benchmark.process_cpu import BESIDE_THE_PRODUCT
from benchmark.results import Results
from benchmark.tables import SHOWN_CPU_MS, Rows

RATES: Final = (1_000, 10_000)
BUSY: Final = 0.6
"""How busy a processor may be: room for peaks, for a process that is away, and for retries."""


def processors(found: Results, lane: str = "post") -> Rows:
    spent = found.cpu_ms(lane, found.loads[-1])
    body = [
        [name, f"{cpu_ms:.1f}", *(f"{rate * cpu_ms / 1000 / BUSY:.0f}" for rate in RATES)]
        for name, cpu_ms in spent.items()
        if cpu_ms >= SHOWN_CPU_MS and not name.startswith(BESIDE_THE_PRODUCT)
    ]
    return Rows("Processors needed", ["", "ms a transfer", *(f"for {rate:,}/s" for rate in RATES)], body)
