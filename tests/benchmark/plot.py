"""The plot of the documentation: one SVG, readable on light and on dark, from nothing but the results."""

from typing import Final

from benchmark.results import Results

_WIDTH: Final = 760
_LABELS: Final = 110
_BARS: Final = 250
_BAR: Final = 20
_GROUP: Final = 34
_TOP: Final = 44
_COLOURS: Final = {
    "floor": "#8b949e",
    "saga": "#2f81f7",
    "post": "#2da44e",
    "sample": "#d29922",
    "kept sample": "#d29922",
}
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#57606a}.head{font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#adbac7}}"
)


def plot(found: Results) -> str:
    """Left the transfers a second at the highest load, right the p50 of one at a time."""
    panels = (
        (f"transfers a second, {found.loads[-1]} at once", found.loads[-1], "per_second", "{:.1f}"),
        ("p50 in ms, one at a time", found.loads[0], "p50_ms", "{:.0f}"),
    )
    shapes = [_text(0, _TOP + row * _GROUP + 15, lane) for row, lane in enumerate(found.lanes)]
    for number, (title, load, figure, form) in enumerate(panels):
        left = _LABELS + number * (_BARS + 80)
        values = {lane: found.middle(lane, load, figure) for lane in found.lanes}
        shapes.append(_text(left, 20, title, "head"))
        for row, (lane, value) in enumerate(values.items()):
            width = _BARS * value / max(values.values())
            top = _TOP + row * _GROUP
            shapes.append(
                f'<rect x="{left}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="3" '
                f'fill="{_COLOURS.get(lane, "#8b949e")}"/>'
            )
            shapes.append(_text(left + width + 6, top + 15, form.format(value)))
    height = _TOP + len(found.lanes) * _GROUP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
        f"<title>The ordinary lane beside its floor ({found.world})</title>"
        f"<style>{_STYLE}</style>{''.join(shapes)}</svg>\n"
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{text}</text>'
