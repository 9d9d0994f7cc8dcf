// A small plot: the values of the last minutes from zero to their peak, newest at the right edge.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [240, 48];
/** Milliseconds without a reading after which the line is broken: the window was hidden. */
const GAP = 5000;

/** Return an empty plot; `kind` is its class: `plot` in a tile, `spark` in a line of text. */
export function newPlot(kind = "plot") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", kind);
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

/** Draw `points` ({at, value} in order, values null where nothing is known) of the `span` ms before the last; return their peak. */
export function drawPlot(svg, points, span) {
  const now = points.at(-1)?.at ?? 0;
  const known = points.filter((each) => each.value !== null && now - each.at <= span);
  const peak = Math.max(0, ...known.map((each) => each.value));
  const runs = [];
  for (const each of known) {
    const run = runs.at(-1);
    if (run && each.at - run.at(-1).at < GAP) run.push(each);
    else runs.push([each]);
  }
  const x = (each) => (WIDTH * (1 - (now - each.at) / span)).toFixed(1);
  const y = (each) => (peak ? HEIGHT - 1 - (HEIGHT - 2) * (each.value / peak) : HEIGHT - 1).toFixed(1);
  svg.replaceChildren(...runs.flatMap((run) => {
    const line = run.map((each) => `${x(each)},${y(each)}`).join(" ");
    return [shape("polygon", `${x(run[0])},${HEIGHT} ${line} ${x(run.at(-1))},${HEIGHT}`, "area"), shape("polyline", line)];
  }));
  return peak;
}

function shape(tag, points, kind) {
  const element = document.createElementNS(SVG, tag);
  element.setAttribute("points", points);
  if (kind) element.setAttribute("class", kind);
  return element;
}
