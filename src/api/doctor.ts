/** `doctor()`: what this host can do, which build runs here and why, whether it computes right, and what would help. */
import type { DoctorOptions, DoctorReport } from "./doctor-report.ts";

/** Examines this host. What it takes to do so is loaded when it is called. */
export async function doctor(options: DoctorOptions = {}): Promise<DoctorReport> {
  return (await import("./doctor-report.ts")).report(options);
}
