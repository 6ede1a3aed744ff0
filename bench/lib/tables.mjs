/** The figures of a run as Markdown. */
import { ratios } from "../engines/sparse.mjs";
import { contestantId } from "./plan.mjs";
import { figure, median, short, spread } from "./stats.mjs";

const WLLAMA = contestantId("wllama 2.3.1", "chromium");
/** Others took more than this share of a core: the row is marked. */
const DISTURBED = 0.2;
const MB = 1e6;

/** One table a model. @param {import("./results.mjs").Results} results */
export function modelTables(results) {
  return Object.entries(results.models).map(([model, rows]) => {
    const deep = Object.values(rows).some((samples) => samples.some(({ decode }) => decode[4096]));
    const head = ["contestant", "prefill 128", "prefill 512", "decode", "÷ wllama"];
    if (deep) head.push("decode at 4,096");
    head.push("load ms", "linear MB", "resident MB", "others");
    const lines = Object.entries(rows).map(([id, samples]) => {
      const of = (/** @type {import("./results.mjs").Metric} */ metric) => results.figure(model, id, metric);
      const megabytes = (/** @type {"memoryBytes" | "rssPeakBytes"} */ metric) => {
        const shallow = samples.filter(({ context }) => context === samples[0].context);
        const found = figure(shallow.map((sample) => sample[metric]));
        return found ? (found.median / MB).toFixed(0) : "–";
      };
      const brief = of("prefill 128") ? "" : " (32)";
      const ratio = id === WLLAMA ? 1 : results.ratio(model, id, WLLAMA, "decode 128");
      const others = figure(samples.map(({ foreign }) => foreign));
      const alone = id.includes("2 threads") && samples.some(({ threadsUsed }) => threadsUsed === 1);
      const cells = [
        alone ? `${id} (at times one: two did not pay)` : id,
        spread(of("prefill 128") ?? of("prefill 32")) + (of("prefill 32") ? brief : ""),
        spread(of("prefill 512")),
        spread(of("decode 128") ?? of("decode 32")) + (of("decode 32") ? brief : ""),
        ratio === null ? "–" : short(ratio),
      ];
      if (deep) cells.push(spread(of("decode 4096")));
      const disturbed = others && others.max > DISTURBED ? " *" : "";
      cells.push(spread(of("loadMs")), megabytes("memoryBytes"), megabytes("rssPeakBytes"));
      cells.push(others ? `${others.median.toFixed(2)}${disturbed}` : "–");
      return `| ${cells.join(" | ")} |`;
    });
    return [`### ${model}`, "", `| ${head.join(" | ")} |`, `|${"---|".repeat(head.length)}`, ...lines].join("\n");
  });
}

/** @param {import("./results.mjs").Results} results */
export function matmulTable({ matmul }) {
  if (!matmul) return "";
  const rows = Object.entries(matmul)
    .filter(([name]) => name !== "limits")
    .flatMap(([name, rivals]) =>
      Object.entries(rivals).map(([rival, samples]) => `| ${name} | ${rival} | ${spread(figure(samples))} |`),
    );
  const limits = Object.entries(matmul.limits).map(
    ([name, samples]) => `| limit | ${name} | ${spread(figure(samples))} |`,
  );
  return ["### Products, one thread, Node", "", "| product | by | GFLOP/s |", "|---|---|---|", ...rows, ...limits].join(
    "\n",
  );
}

/** @param {Record<string, Record<string, import("../engines/kernels.mjs").Measured>>} kernels @param {string} build */
export function kernelTable(kernels, build) {
  const cell = (/** @type {import("../engines/kernels.mjs").Measured | undefined} */ found) =>
    found ? `${short(found.value?.median ?? 0)} (${(100 * found.share).toFixed(0)} %)` : "";
  const products = Object.entries(kernels).filter(([, found]) => found.l2);
  const others = Object.entries(kernels).filter(([, found]) => found.values);
  const lines = [`### Kernels, ${build}, one thread`, ""];
  lines.push("| weights | cached, GFLOP/s | from memory, GB/s | 48 rows, GFLOP/s |", "|---|---|---|---|");
  for (const [type, { l2, dram, gemm }] of products)
    lines.push(`| ${type} | ${cell(l2)} | ${cell(dram)} | ${cell(gemm)} |`);
  if (others.length) lines.push("", "| kernel | 10⁹ values or operations a second |", "|---|---|");
  for (const [name, { values }] of others) lines.push(`| ${name} | ${cell(values)} |`);
  return lines.join("\n");
}

/** @param {import("./results.mjs").Results} results */
export function sparseTable({ sparse }) {
  if (!sparse) return "";
  const [first] = Object.values(sparse);
  const lines = Object.entries(sparse).map(([type, found]) => {
    const cells = found.map(({ zeros, byNeurons }) => {
      const times = median(ratios(found, zeros, zeros));
      return `${median(byNeurons).toFixed(2)} (${times.toFixed(2)})`;
    });
    return `| ${type} | ${median(found[0].byRows).toFixed(2)} | ${cells.join(" | ")} |`;
  });
  return [
    "### Sparse down projection, portable, one thread",
    "",
    "Milliseconds by neurons, in brackets how many times the speed by rows at the same zeros.",
    "",
    `| weights | by rows, 0 % | ${first.map(({ zeros }) => `${zeros * 100} % zeros`).join(" | ")} |`,
    `|---|---|${"---|".repeat(first.length)}`,
    ...lines,
  ].join("\n");
}
