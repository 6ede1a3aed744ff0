/** Runs the checks in a host with processes:  node run.mjs JOB   (a file of JSON); prints one line of JSON. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { runChecks } from "./checks.mjs";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
const [limpet, { kernels }, { WorkerModel }] = await Promise.all(
  [job.entry, job.kernels, job.worker].map((url) => import(url)),
);
job.paths = { url: (name) => new URL(name, pathToFileURL(job.folder)).href };
console.log(JSON.stringify(await runChecks({ ...limpet, kernels, WorkerModel }, job)));
