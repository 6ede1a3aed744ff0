/** How a model writes the calls of tools: what the grammar is made of, and what reads them. */

/** A text, or `null`: white space, or none. */
export type CallPart = string | null;

/**
 * Calls of one format: an opening, the name, `between`, the arguments, `behind`; then `next` and a name again, or `end`.
 */
export interface CallFormat {
  readonly name: string;
  /** What begins the calls, and what stands between it and the name. */
  readonly openings: readonly CallOpening[];
  /** How one call may be written without them, where an answer begins and a tool is named. */
  readonly bare?: readonly BareCall[];
  /** Between the name and the arguments. */
  readonly between: readonly CallPart[];
  /** Behind the arguments. */
  readonly behind: readonly CallPart[];
  /** Between a call and the name of a further one; absent: there is one call at most. */
  readonly next?: readonly CallPart[];
  /** Behind all calls. */
  readonly end?: readonly CallPart[];
  /** How arguments are written. Default: JSON. */
  readonly notation?: Notation;
}

export interface CallOpening {
  readonly mark: string;
  readonly rest: readonly CallPart[];
}

export interface BareCall {
  /** What stands in front of the name. */
  readonly heads: readonly string[];
  /** Behind the arguments. */
  readonly behind: readonly CallPart[];
}

/** What begins a bare call of a tool: its first words up to the end of the name. */
export interface BareOpening {
  readonly mark: string;
  readonly tool: string;
  /** What stands between it and the arguments. */
  readonly rest: readonly CallPart[];
  readonly behind: readonly CallPart[];
}

/** What begins bare calls of tools by their names. */
export function bareOpenings({ bare = [], between }: CallFormat, tools: readonly string[]): BareOpening[] {
  const [quote, ...rest] = between;
  return bare.flatMap(({ heads, behind }) =>
    heads.flatMap((head) => tools.map((tool) => ({ mark: `${head}${tool}${quote}`, tool, rest, behind }))),
  );
}

/**
 * How values are written where it is not JSON.
 *
 *     python   city="Paris", days=2, exact=True
 *     quote    city:<escape>Paris<escape>,days:2,exact:true
 */
export interface Notation {
  /** What stands between the name of an argument and its value. */
  readonly equals: string;
  /** What texts stand between, as they are; absent: as JSON writes them. */
  readonly quote?: string;
  /** true, false and null. */
  readonly words: readonly [string, string, string];
}

/** What stands around a model's thoughts. */
export interface ThoughtMarks {
  readonly open: string;
  readonly close: string;
}
