/** Runs the checks in a host with processes:  node run.mjs JOB   (a file of JSON); prints one line of JSON. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { runChecks } from "./checks.mjs";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
const [limpet, { kernels }] = await Promise.all([import(job.entry), import(job.kernels)]);
job.paths = { url: (name) => new URL(name, pathToFileURL(job.folder)).href };
console.log(JSON.stringify(await runChecks({ ...limpet, kernels }, job)));
