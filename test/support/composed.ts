/** Pieces of composed sessions, by the raw exports. */
import { Status } from "../../bindings/numbers.ts";
import { type EngineContext, EngineSession, sectionsOf } from "./engine.ts";

/** Rows of a lead and a piece, each read by itself: the session that holds them, saved. */
export function piece(context: EngineContext, ids: readonly number[]): Uint8Array {
  const session = new EngineSession(context);
  session.append(ids);
  session.generate(1);
  session.rewind(ids.length);
  const saved = session.save();
  session.release();
  return saved;
}

/** Appends tokens [from, to) of a saved session with their rows; `lead` of its tokens are the session's. */
export function join(
  { core, context, handle }: EngineSession,
  saved: Uint8Array,
  from: number,
  to: number,
  lead: number = from,
): void {
  const bytes = core.put(saved);
  const status = core.call("session_append_piece", handle, bytes, saved.length, lead, from, to);
  core.release(bytes);
  context.model.engine.check(status);
}

/** Computes what the rows lack; gives how many slices that took. `onStep` false gives it up. */
export function compose(
  { core, context, handle }: EngineSession,
  recompute: number,
  onStep?: (step: number) => boolean,
): number {
  context.model.engine.do("session_compose", handle, recompute);
  for (let step = 0; ; step++) {
    if (onStep?.(step) === false) {
      core.call("session_stop", handle);
      return step;
    }
    if (context.model.engine.do("session_compose_step", handle) === Status.DONE) return step;
  }
}

/** The rows of a layer as they are saved: [row][bytes]. */
export function rowsOf(session: EngineSession, layer: number): Uint8Array[] {
  const { bytes } = sectionsOf(session.save()).find(({ name }) => name === "state")!;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 8, l = 0; ; l++) {
    const [rowBytes, count] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
    const first = at + 20 + count * 4;
    if (l === layer) {
      return Array.from({ length: count }, (_, i) => bytes.slice(first + i * rowBytes, first + (i + 1) * rowBytes));
    }
    at = first + count * rowBytes;
  }
}
