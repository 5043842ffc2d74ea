"""What a fault did, as it saw it itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """`count`: how often (processes, answers, errors, transfers); 0 where the fault met nothing that it could break."""

    count: int
    what: str
