"""What the tests measure, told at the end of the run: the README's figures come from here."""


class Figures:
    def __init__(self) -> None:
        self._figures: dict[str, str] = {}

    def seconds(self, name: str, seconds: float) -> None:
        self._figures[name] = f"{seconds:.2f} s"

    def milliseconds(self, name: str, seconds: float) -> None:
        self._figures[name] = f"{seconds * 1000:.0f} ms"

    def lines(self) -> list[str]:
        width = max(map(len, self._figures), default=0)
        return [f"{name:<{width}}  {figure}" for name, figure in self._figures.items()]
