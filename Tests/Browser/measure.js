// What a page looks like to its reader, as one object; `run.py` judges it.
(() => {
  const number = (text) => Number.parseFloat(text);
  const colour = (text) => {
    const parts = text.match(/[\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const backgrounds = new Map();
  const backgroundOf = (element) => {
    if (!element) return [255, 255, 255];
    if (!backgrounds.has(element)) {
      const found = colour(getComputedStyle(element).backgroundColor);
      backgrounds.set(element, found.alpha === 1 ? found.rgb : backgroundOf(element.parentElement));
    }
    return backgrounds.get(element);
  };
  const name = (element) =>
    `${element.tagName}.${element.getAttribute("class") ?? ""} '${element.textContent.slice(0, 40)}'`;
  const inside = (inner, outer, slack) =>
    inner.left >= outer.left - slack && inner.right <= outer.right + slack
    && inner.top >= outer.top - slack && inner.bottom <= outer.bottom + slack;

  const result = {
    width: document.documentElement.clientWidth,
    scrollWidth: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
    background: getComputedStyle(document.body).backgroundColor,
    colour: getComputedStyle(document.body).color,
    title: document.title, lang: document.documentElement.lang,
    charts: [], faint: [], outside: [], cut: [], small: [], values: [], rows: [],
    figures: document.querySelectorAll("figure").length,
    captions: document.querySelectorAll("figure > figcaption").length,
    unscoped: [...document.querySelectorAll("th")].filter((th) => !th.scope).length,
    nameless: [...document.querySelectorAll("svg")].filter((svg) =>
      svg.getAttribute("aria-hidden") !== "true"
      && !(svg.getAttribute("role") === "img" && svg.getAttribute("aria-label"))).length,
    dead: [...document.querySelectorAll("a")].filter((a) =>
      !document.querySelector(a.getAttribute("href"))).length,
    json: document.getElementById("report")?.textContent ?? null,
  };

  // Charts have a size, and nothing in them lies outside of them.
  for (const svg of document.querySelectorAll("svg")) {
    const box = svg.getBoundingClientRect();
    const marks = svg.querySelectorAll("[data-mark]");
    result.charts.push({
      label: svg.getAttribute("aria-label") ?? "", width: box.width, height: box.height,
      marks: marks.length,
    });
    for (const shape of svg.querySelectorAll("text,rect,circle,path,line")) {
      const shapeBox = shape.getBoundingClientRect();
      if (!inside(shapeBox, box, 1.5)) result.outside.push(`${name(shape)} in ${svg.ariaLabel}`);
      const isMark = shape.hasAttribute("data-mark");
      if (isMark && shapeBox.width === 0 && shapeBox.height === 0) result.small.push(name(shape));
    }
    for (const text of svg.querySelectorAll("text")) {
      if (!text.firstChild?.textContent.trim()) continue;
      const height = text.getBoundingClientRect().height;
      if (height < 10) result.small.push(`${name(text)} ${height.toFixed(1)} px`);
    }
  }

  // Text stands out; in a cell from the cell, elsewhere from what is behind it.
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || seen.has(element)) continue;
    if (element.closest("script,title")) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const isDrawn = element instanceof SVGElement;
    const front = colour(isDrawn ? style.fill : style.color).rgb;
    let back = backgroundOf(element);
    if (isDrawn && element.classList.contains("in")) {
      const cell = colour(getComputedStyle(element.previousElementSibling).fill);
      back = cell.alpha === 1 ? cell.rgb : back;
    }
    const found = contrast(front, back);
    if (found < 4.5) result.faint.push(`${name(element)} ${found.toFixed(2)}`);
  }
  // Lines and points of series, of which a reader must see which is which.
  for (const shape of document.querySelectorAll(".point,.line,.hollow,.dashed")) {
    const style = getComputedStyle(shape);
    if (style.color === "" || shape.closest("[aria-hidden]")) continue;
    const isWindow = shape.hasAttribute("data-window");
    const found = contrast(colour(style.color).rgb, backgroundOf(shape));
    if (found < (isWindow ? 1.5 : 3)) result.faint.push(`${name(shape)} ${found.toFixed(2)}`);
  }

  // Boxes that hide a part of what is in them.
  for (const box of document.querySelectorAll("body *")) {
    if (box instanceof SVGElement || box.closest("script")) continue;
    const style = getComputedStyle(box);
    if (style.overflowX !== "visible" && box.scrollWidth > box.clientWidth + 1) {
      result.cut.push(name(box));
    }
  }

  for (const element of document.querySelectorAll("[data-value]")) {
    const { block, key, run, value } = element.dataset;
    result.values.push({ block: block ?? null, key, run: run ?? null, value });
  }
  result.rows = [...document.querySelectorAll("th[data-row]")].map((th) => th.dataset.row);
  result.notNumbers = (document.body.innerText.match(/\bnan\b|\binf(inity)?\b|undefined/gi) ?? []);
  return result;
})()
