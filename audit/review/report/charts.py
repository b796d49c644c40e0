"""Charts as inline SVG: drawn by pygal without its scripts and styles, colored by the style sheet of the report."""

import sys
from dataclasses import dataclass
from typing import Any

import pygal  # type: ignore[import-untyped]
from markupsafe import Markup
from pygal.etree import etree  # type: ignore[import-untyped]

from audit.outcome import Outcome
from audit.review.report.coverage import Answers
from audit.review.report.reach import AUTOMATIC, Exposure, LocationCount, Reach
from audit.review.report.wording import REACH_LABELS
from audit.review.vocabulary import COMPLETE_OUTCOMES, dataset, heading
from audit.text import printable

# pygal registers an import finder of a protocol that Python has dropped: every later import would warn.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_WIDTH = 480
_BAR_HEIGHT = 34
_FRAME_HEIGHT = 60
_FONT = 13
_LABEL_LENGTH = 24
#: The share of the longest bar below which a bar has no room for its number; the description has all numbers.
_MIN_SHARE = 0.05
_DIRECTIONS = ("caller can listen", "caller only speaks", "unclear", "nobody may call")
#: What pygal adds for its scripts, tooltips and styles.
_DROPPED_TAGS = {"script", "style", "desc", "title", "defs"}
_DROPPED_ATTRIBUTES = ("style", "id", "xmlns:xlink")


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: its label, and a number for each series."""

    label: str
    values: tuple[int, ...]


def exposure_chart(reach: Reach, nouns: str) -> Markup:
    """Rooms by who may call them; `nouns` says what they are."""
    bars = [
        Bar(REACH_LABELS[each.reach], _directions(each) if each.reach in AUTOMATIC else (0, 0, 0, each.rooms))
        for each in reach.exposure
        if each.rooms
    ]
    return stacked_bars(f"{heading(nouns)} that auto-answer, by who may call", _DIRECTIONS, bars)


def location_chart(reach: Reach, nouns: str) -> Markup:
    """Rooms that auto-answer, by location; `nouns` says what they are."""
    bars = [Bar(each.location_name or "no location", _directions(each)) for each in reach.locations]
    return stacked_bars(f"{heading(nouns)} that auto-answer, by location", _DIRECTIONS, bars)


def coverage_chart(answers: Answers) -> Markup:
    """Entities by outcome for each dataset."""
    datasets = sorted({each.dataset for each in answers.counts})
    series = {"answered": {Outcome.OK}, "no settings": COMPLETE_OUTCOMES - {Outcome.OK}}
    bars = []
    for name in datasets:
        counts = [each for each in answers.counts if each.dataset == name]
        known = [sum(each.entities for each in counts if each.outcome in words) for words in series.values()]
        bars.append(Bar(heading(dataset(name)), (*known, sum(each.entities for each in counts) - sum(known))))
    return stacked_bars("Coverage of each dataset", (*series, "not answered"), bars, "coverage")


def stacked_bars(title: str, series: tuple[str, ...], bars: list[Bar], kind: str = "reach") -> Markup:
    """A chart of horizontal bars; empty if there is nothing to draw.

    Args:
        title: the title for screen readers.
        series: names of the parts of a bar.
        bars: the bars from top to bottom.
        kind: prefix of the style sheet's classes for its colors.
    """
    if not any(sum(bar.values) for bar in bars):
        return Markup()
    readable = _MIN_SHARE * max(sum(bar.values) for bar in bars)
    chart = pygal.HorizontalStackedBar(
        width=_WIDTH,
        height=_FRAME_HEIGHT + _BAR_HEIGHT * len(bars),
        style=pygal.style.Style(label_font_size=_FONT, legend_font_size=_FONT, value_font_size=_FONT),
        js=(),
        legend_at_bottom=True,
        truncate_legend=-1,
        legend_box_size=_FONT,
        margin=4,
        spacing=8,
        show_x_labels=False,
        show_x_guides=False,
        print_values=True,
        formatter=lambda value: f"{value:,.0f}" if value and value >= readable else "",
    )
    used = [index for index in range(len(series)) if any(bar.values[index] for bar in bars)]
    chart.x_labels = [_short(bar.label) for bar in reversed(bars)]
    for index in used:
        chart.add(series[index], [bar.values[index] or None for bar in reversed(bars)])
    root = chart.render_tree()
    _strip(root)
    _name_colors(root, {f"color-{place}": f"{kind}-{index}" for place, index in enumerate(used)})
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-label", f"{title}: {'; '.join(_spoken(bar, series) for bar in bars)}")
    return Markup(etree.tostring(root, encoding="unicode"))  # noqa: S704 - a serializer escapes


def _directions(each: Exposure | LocationCount) -> tuple[int, int, int, int]:
    return each.heard, each.spoken, each.rooms - each.heard - each.spoken, 0


def _strip(element: Any) -> None:
    for name in _DROPPED_ATTRIBUTES:
        element.attrib.pop(name, None)
    for child in list(element):
        is_tooltip = "tooltip" in str(child.get("class", "")).split()
        if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] in _DROPPED_TAGS or is_tooltip:
            element.remove(child)
        else:
            _strip(child)


def _name_colors(root: Any, names: dict[str, str]) -> None:
    """Give each series the class of its meaning instead of its position among the drawn series."""
    for element in root.iter():
        classes = str(element.get("class", "")).split()
        if classes:
            element.set("class", " ".join(names.get(each, each) for each in classes))


def _short(label: str) -> str:
    # Cut before, too: a name may have a megabyte.
    label = printable(label[: _LABEL_LENGTH + 1])
    return label if len(label) <= _LABEL_LENGTH else f"{label[: _LABEL_LENGTH - 1]}…"


def _spoken(bar: Bar, series: tuple[str, ...]) -> str:
    return (
        f"{_short(bar.label)}: {', '.join(f'{value} {name}' for name, value in zip(series, bar.values, strict=True))}"
    )
