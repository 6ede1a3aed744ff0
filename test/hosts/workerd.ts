/** What tests of workerd share. */
import type { Readable } from "node:stream";

/** The port, which workerd tells as JSON on its control descriptor when it listens. */
export function listening(control: Readable): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    control.on("data", (data) => {
      text += data;
      const port = /"port":\s*(\d+)/.exec(text);
      if (port) resolve(Number(port[1]));
    });
    control.on("close", () => reject(new Error("workerd ends before it listens")));
  });
}
