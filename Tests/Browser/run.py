#!/usr/bin/env python3
"""Opens the pages of --html in a real browser and checks what a reader would see.

usage: Tests/Browser/run.py [--tool FILE] [--samples DIR] [--only NAME] [--screenshots DIR]

Of every page: no console message, exception, violation of its policy or request; no wider than the
window from 400 to 1600 pixels; charts with a size and their marks in them; light and dark differ, and
text stands out in both; every figure is the JSON's, and every block is there; print cuts nothing.
Needs Python 3.11 and Chromium; without the latter it is skipped.
"""
import argparse
import base64
import json
import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import chromium
import pages

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WIDTHS = (400, 700, 1000, 1600)
MEASURE = (HERE / "measure.js").read_text()
TROUBLE = {
    "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Audits.issueAdded",
}


class Faults:
    """What is wrong with the page that is open."""

    def __init__(self, page):
        self.page = page
        self.where = ""
        self.count = 0

    def expect(self, condition, what):
        if not condition:
            self.count += 1
            print(f"{self.page}{self.where}: {what}", flush=True)

    def empty(self, found, what):
        self.expect(not found, f"{what}: {'; '.join(map(str, found[:5]))} ({len(found)})")


def look(browser, scheme, width, media=""):
    browser.page("Emulation.setEmulatedMedia", media=media,
                 features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.page("Emulation.setDeviceMetricsOverride", width=width, height=900,
                 deviceScaleFactor=1, mobile=False)
    return browser.evaluate(MEASURE)


def check_page(browser, page, screenshots):
    faults = Faults(page.name)
    browser.events.clear()
    browser.page("Page.navigate", url=page.path.resolve().as_uri())
    browser.wait_for("Page.loadEventFired")
    colours = {}
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            faults.where = f" ({scheme}, {width} px)"
            seen = look(browser, scheme, width)
            check_looks(seen, width, faults)
            colours[scheme] = seen["background"], seen["colour"]
            if screenshots and width != 700:
                take(browser, screenshots / f"{page.name}-{scheme}-{width}.png")
    faults.where = ""
    for place, what in enumerate(("background", "text")):
        faults.expect(
            colours["light"][place] != colours["dark"][place], f"{what} is the same in the dark")
    check_content(look(browser, "light", 1000), page, faults)
    check_print(browser, page, faults, screenshots)
    check_quiet(browser, faults)
    return faults.count


def check_looks(seen, width, faults):
    faults.expect(seen["scrollWidth"] <= width, f"is {seen['scrollWidth']} px wide")
    faults.empty([c["label"] for c in seen["charts"] if c["width"] <= 0 or c["height"] <= 0],
                 "charts without a size")
    faults.empty(seen["outside"], "lie outside of their chart")
    faults.empty(seen["small"], "are too small")
    faults.empty(seen["faint"], "do not stand out")


def check_content(seen, page, faults):
    faults.expect(seen["lang"] and seen["title"], "has no language or title")
    faults.expect(seen["figures"] == seen["captions"], "has a figure without caption")
    for key in ("unscoped", "nameless", "dead"):
        faults.expect(seen[key] == 0, f"has {seen[key]} {key} elements")
    faults.empty(seen["notNumbers"], "shows no numbers")
    if page.has_charts:
        faults.expect(any(chart["marks"] for chart in seen["charts"]), "has no marks")
    faults.expect(seen["json"] is not None and json.loads(seen["json"]) == page.result,
                  "carries another JSON than the command printed")
    faults.expect(seen["values"], "has no figures")
    runs = page.runs()
    blocks = [defaultdict(list) for _ in runs]
    for run, named in zip(runs, blocks):
        for block in run["blocks"]:
            named[shown(block[page.block_key])].append(block)
    for value in seen["values"]:
        number = int(value["run"] or 0)
        found = lookup(runs[number], blocks[number], value)
        faults.expect(float(value["value"]) in found,
                      f"{value['block']} {value['key']} is {value['value']}, in the JSON {found}")
    names = [shown(block[page.block_key]) for run in runs for block in run["blocks"]]
    faults.expect(seen["rows"] == names, "the table has other blocks than the JSON")


STEERING = {
    code: f"\\u{{{code:x}}}"
    for code in [*range(0x20), *range(0x7f, 0xa0), 0x61c, 0x200e, 0x200f, *range(0x2028, 0x202f),
                 *range(0x2066, 0x206a)]
}


def shown(name):
    """A name as pages show it: what steers text is written out."""
    return name.translate(STEERING)


def lookup(run, blocks, value):
    """What the JSON has for a figure; a list, as several parts may change one weight."""
    found = [run] if value["block"] is None else blocks[value["block"]]
    for part in value["key"].split("."):
        found = [inner[int(part) if isinstance(inner, list) else part] for inner in found]
    return found


def check_print(browser, page, faults, screenshots):
    faults.where = " (print)"
    # A4 without its margins, at 96 pixels an inch.
    seen = look(browser, "dark", 688, media="print")
    faults.empty(seen["cut"], "cut what is in them")
    faults.expect(seen["scrollWidth"] <= 690, f"is {seen['scrollWidth']} px wide")
    faults.expect(seen["background"] == "rgb(255, 255, 255)", "is printed dark")
    faults.empty(seen["faint"], "do not stand out")
    faults.empty(seen["outside"], "lie outside of their chart")
    browser.page("Emulation.setEmulatedMedia", media="", features=[])
    printed = browser.page("Page.printToPDF", printBackground=True, preferCSSPageSize=False,
                           paperWidth=8.27, paperHeight=11.69)
    pdf = base64.b64decode(printed["data"])
    sheets = len(re.findall(rb"/Type\s*/Page\b", pdf))
    rows = sum(1 + ("fit" in block) for run in page.runs() for block in run["blocks"])
    most = 4 + len(seen["charts"]) // 2 + rows // 10
    faults.expect(pdf.startswith(b"%PDF") and 1 <= sheets <= most, f"prints on {sheets} sheets")
    if screenshots:
        (screenshots / f"{page.name}.pdf").write_bytes(pdf)


def check_quiet(browser, faults):
    faults.where = ""
    for event in browser.events:
        method, parameters = event.get("method"), event.get("params", {})
        faults.expect(method not in TROUBLE, f"{method}: {json.dumps(parameters)[:300]}")
        if method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            is_page = parameters.get("type") == "Document" and url.startswith("file:")
            faults.expect(is_page or url.startswith("data:"), f"requests {url[:200]}")


def take(browser, path):
    image = browser.page("Page.captureScreenshot", format="png", captureBeyondViewport=True)
    path.write_bytes(base64.b64decode(image["data"]))


def check_control(browser, folder):
    """A page that breaks the rules must be found out, or the checks above see nothing."""
    path = Path(folder, "control.html")
    path.write_text(
        "<!DOCTYPE html><html lang=en><meta http-equiv=Content-Security-Policy "
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src https:\"><title>x</title><body><p style='color:#999'>faint</p>"
        "<script>1</script><img src='https://example.invalid/x.png'>"
        "<div style='width:3000px'>wide</div><span data-key=a data-value=1></span>")
    browser.events.clear()
    browser.page("Page.navigate", url=path.as_uri())
    browser.wait_for("Page.loadEventFired")
    seen = look(browser, "light", 400)
    found = {
        "violations": any(event.get("method") == "Log.entryAdded" for event in browser.events),
        "requests": any(
            event.get("method") == "Network.requestWillBeSent"
            and event["params"]["request"]["url"].startswith("https:")
            for event in browser.events),
        "width": seen["scrollWidth"] > 400, "faint text": bool(seen["faint"]),
        "values": len(seen["values"]) == 1,
    }
    for what, is_found in found.items():
        if not is_found:
            print(f"control: {what} not found out")
    return sum(not is_found for is_found in found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", default=ROOT / ".build" / "release" / "resloratool", type=Path)
    parser.add_argument("--samples", help="a folder of more pages, NAME.html with NAME.json")
    parser.add_argument("--only", default="", help="pages whose name has this in it")
    parser.add_argument("--screenshots", type=Path, help="a folder to put pictures and PDFs in")
    options = parser.parse_args()
    path = chromium.find()
    if path is None:
        print("skipped: there is no Chromium")
        return 0
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    count = faults = 0
    with tempfile.TemporaryDirectory(prefix="pages-") as folder:
        browser = chromium.Chromium(path)
        try:
            faults += check_control(browser, folder)
            for page in pages.make(options.tool.resolve(), folder, options.samples):
                if options.only in page.name:
                    count += 1
                    faults += check_page(browser, page, options.screenshots)
        finally:
            browser.close()
    print(f"{count} pages in a browser, {faults} faults")
    return 1 if faults or not count else 0


if __name__ == "__main__":
    sys.exit(main())
