"""The page as a real browser lays it out: narrow and wide, in light and in dark."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), ""
)

pytestmark = pytest.mark.skipif(not BROWSER, reason="neither chromium nor google-chrome is there")

#: What is measured in the page, in a frame of a given width.
MEASURE = """
const inner = frame.contentDocument, root = inner.documentElement;
const style = element => frame.contentWindow.getComputedStyle(element);
const shown = inner.querySelector("svg.chart text");
const clipped = [...inner.querySelectorAll("svg.chart")].filter(chart => {
  const box = chart.closest("section").getBoundingClientRect();
  return [...chart.querySelectorAll("text")].some(text => {
    const place = text.getBoundingClientRect();
    return place.left < 0 || place.right > root.clientWidth + 0.5;
  });
}).length;
const small = Math.min(...[...inner.querySelectorAll("svg.chart text")].map(
  text => text.getBoundingClientRect().height).filter(height => height > 0));
result = {
  wide: root.scrollWidth, room: root.clientWidth, clipped, small,
  ink: style(inner.body).color, paper: style(inner.body).backgroundColor,
  chart: shown && style(shown).fill, line: shown && style(inner.querySelector("h2")).color,
  text: inner.body.innerText, folded: inner.querySelectorAll("details:not([open])").length,
  pictures: [...inner.images].every(image => image.complete && image.naturalWidth > 0),
};
"""


def measured(page: str, directory: Path, width: int, *, is_dark: bool = False) -> dict:
    """What a browser says of a page in a frame of that width."""
    frame = directory / f"frame{width}{is_dark}.html"
    frame.write_text(
        f'<body style="margin:0"><iframe id="frame" style="border:0;width:{width}px;height:900px" '
        f'srcdoc="{html.escape(page)}"></iframe><pre id="result"></pre><script>'
        'const frame = document.getElementById("frame"); let result;'
        f"window.onload = () => {{ {MEASURE}"
        'document.getElementById("result").textContent = JSON.stringify(result); };</script>'
    )
    scheme = f"--blink-settings=preferredColorScheme={0 if is_dark else 1}"
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [scheme, f"--user-data-dir={directory / 'profile'}", "--window-size=1700,1000"]
    done = subprocess.run(
        [*command, "--virtual-time-budget=5000", "--dump-dom", frame.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (result,) = re.findall(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(html.unescape(result))


@pytest.mark.parametrize("width", [400, 1600])
def test_no_text_is_cut_off(page, tmp_path, width):
    found = measured(page, tmp_path, width)
    assert found["room"] == width
    assert found["wide"] <= width
    assert found["clipped"] == 0
    assert found["small"] >= 9  # pixels
    assert found["pictures"]


def test_a_page_is_right_in_light_and_in_dark(page, tmp_path):
    light, dark = (measured(page, tmp_path, 900, is_dark=is_dark) for is_dark in (False, True))
    assert luminance(light["paper"]) > 0.9 > 0.2 > luminance(light["ink"])
    assert luminance(dark["paper"]) < 0.1 < 0.7 < luminance(dark["ink"])
    for found in (light, dark):
        assert found["chart"] == found["ink"] == found["line"]


def test_the_browser_shows_what_the_page_tells(page, product, tmp_path):
    found = measured(page, tmp_path, 1200)
    text = found["text"]
    for words in (
        *(product.name, "What to look at", "rate [DN/s]", "chi squared", "expected, 4 degrees"),
        *("as they were read out", "after the correction", "resultant", "DO_NOT_USE"),
    ):
        assert words in text
    assert found["folded"] == 1
    assert "Step ExposurePipeline running" not in text  # until it is unfolded


def luminance(colour: str) -> float:
    """Of ``rgb(r, g, b)``, from 0 to 1."""
    red, green, blue = (int(number) / 255 for number in re.findall(r"\d+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
