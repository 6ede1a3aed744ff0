/** The page's icons: strokes in a square of 24, drawn in the colour of the text beside them. */

const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h10",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  settings: "M4 8h9M17 8h3M4 16h3M11 16h9M15 5.5v5M9 13.5v5",
  chart: "M4 19h16M7 15v-4M12 15V6M17 15V9",
  send: "M12 19V6M6 11.5L12 5.5l6 6",
  stop: "M7.5 7.5h9v9h-9z",
  copy: "M9 9h10v10H9zM5 15V5h10",
  check: "M5 12.5l4.5 4.5L19 7.5",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  retry: "M19 12a7 7 0 1 1-2.1-5M19 4v4h-4",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7M10.5 10.5v6M13.5 10.5v6",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  upload: "M12 16V5M7 9l5-5 5 5M5 20h14",
  previous: "M14 6l-6 6 6 6",
  next: "M10 6l6 6-6 6",
  down: "M6 9.5l6 6 6-6",
  toEnd: "M12 5v13M6 12.5l6 6 6-6",
  tool: "M14.5 6.5a4 4 0 0 1 5-2l-2.5 2.5 1 2.5 2.5 1L19.5 8a4 4 0 0 1-5.5 5.5L8 19.5a2.1 2.1 0 0 1-3-3l6-6a4 4 0 0 1 3.5-4z",
  think: "M9 18h6M10 21h4M12 3a6 6 0 0 0-3.5 10.9V16h7v-2.1A6 6 0 0 0 12 3z",
  goOn: "M5 12h13M12.5 6.5L18 12l-5.5 5.5",
  file: "M7 3.5h7l4 4V20.5H7zM14 3.5V8h4",
  server: "M5 5h14v6H5zM5 13h14v6H5zM8.5 8h.01M8.5 16h.01",
  page: "M4 5h16v14H4zM4 9h16M7 7h.01M9.5 7h.01",
  warning: "M12 4.5L21 19.5H3zM12 10v4.5M12 17h.01",
} as const;

/** An icon's name. */
export type Icon = keyof typeof PATHS;

const SVG = "http://www.w3.org/2000/svg";

/** An icon; it says nothing to who hears the page. */
export function icon(name: Icon): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
