#!/usr/bin/env python3
"""Takes the chart of error against calibration tokens out of a page of `resloratool verify --html`.

usage: chart.py PAGE.html CHART.svg

The drawing and its colours are the page's; the legend, which the page has beside it, is set below.
"""
import re
import sys


def main(page, chart):
    text = open(page, encoding="utf-8").read()
    section = re.search(r'<section[^>]*id="calibration".*?</section>', text, re.S).group(0)
    style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
    drawing = re.search(r'<svg viewBox="0 0 440 250".*?</svg>', section, re.S).group(0)
    drawing = drawing.replace('width="440" height="250"', 'width="440" height="250" x="10" y="10"')
    entries = re.findall(r'<li><svg[^>]*>(.*?)</svg>([^<]*)</li>', section, re.S)
    legend, x = "", 40
    for key, name in entries:
        legend += (f'<g transform="translate({x} 270)">{key}'
                   f'<text class="tick" x="28" y="10">{name}</text></g>')
        x += 52 + 6 * len(name)
    with open(chart, "w", encoding="utf-8") as file:
        file.write(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 470 295" width="705" height="442">'
            f'<style>{style}</style><rect width="470" height="295" fill="var(--page)"/>'
            f"{drawing}{legend}</svg>\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
