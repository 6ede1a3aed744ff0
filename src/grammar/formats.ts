/** Formats of JSON Schema as languages. */
import { patternLanguage } from "./pattern.ts";
import type { Ranges } from "./ranges.ts";
import type { Languages, Regex } from "./regex.ts";

const IPV4 = "(?:(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const H16 = "[0-9A-Fa-f]{1,4}";
const LS32 = `(?:${H16}:${H16}|${IPV4})`;
const IPV6 = [
  `(?:${H16}:){6}${LS32}`,
  `::(?:${H16}:){5}${LS32}`,
  `(?:${H16})?::(?:${H16}:){4}${LS32}`,
  `(?:(?:${H16}:){0,1}${H16})?::(?:${H16}:){3}${LS32}`,
  `(?:(?:${H16}:){0,2}${H16})?::(?:${H16}:){2}${LS32}`,
  `(?:(?:${H16}:){0,3}${H16})?::${H16}:${LS32}`,
  `(?:(?:${H16}:){0,4}${H16})?::${LS32}`,
  `(?:(?:${H16}:){0,5}${H16})?::${H16}`,
  `(?:(?:${H16}:){0,6}${H16})?::`,
].join("|");
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const HOSTNAME = `${LABEL}(?:\\.${LABEL})*`;
/**
 * A hostname has at most 253 letters. Letters of labels and of the whole are not counted together: so many labels of so
 * many letters fit.
 */
const HOST_LENGTHS = [
  [3, 63],
  [10, 24],
] as const;
const HOST_LETTERS: Ranges = [0x2d, 0x2d, 0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a];
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const QUOTED = '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\[\\x20-\\x7e])*"';
const CLOCK = "(?:[01]\\d|2[0-3]):[0-5]\\d";
const TIME = `(?:${CLOCK}:[0-5]\\d(?:\\.\\d+)?(?:[Zz]|[+-]${CLOCK})|23:59:60(?:\\.\\d+)?(?:[Zz]|[+-]00:00))`;
const PCT = "%[0-9A-Fa-f]{2}";
const PCHAR = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|${PCT})`;
const USER = `(?:[A-Za-z0-9._~!$&'()*+,;=:-]|${PCT})*`;
const REG_NAME = `(?:[A-Za-z0-9._~!$&'()*+,;=-]|${PCT})*`;
const LITERAL = `\\[(?:${IPV6}|[vV][0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\\]`;
const AUTHORITY = `(?:${USER}@)?(?:${LITERAL}|${REG_NAME})(?::\\d*)?`;
const TAIL = `(?:\\?(?:${PCHAR}|[/?])*)?(?:#(?:${PCHAR}|[/?])*)?`;
const HIER = `(?://${AUTHORITY}(?:/${PCHAR}*)*|/(?:${PCHAR}+(?:/${PCHAR}*)*)?|${PCHAR}+(?:/${PCHAR}*)*|)`;
const URI = `[A-Za-z][A-Za-z0-9+.-]*:${HIER}${TAIL}`;
const NO_COLON = `(?:[A-Za-z0-9._~!$&'()*+,;=@-]|${PCT})`;
const RELATIVE = `(?://${AUTHORITY}(?:/${PCHAR}*)*|/(?:${PCHAR}+(?:/${PCHAR}*)*)?|${NO_COLON}+(?:/${PCHAR}*)*|)${TAIL}`;
const POINTER = "(?:/(?:[^~/]|~[01])*)*";
const DURATION_TIME = "T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)";
const DURATION_DATE = "(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)";

const PATTERNS: Readonly<Record<string, string>> = {
  ipv4: IPV4,
  ipv6: IPV6,
  uuid: "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
  time: TIME,
  duration: `P(?:\\d+W|${DURATION_DATE}(?:${DURATION_TIME})?|${DURATION_TIME})`,
  email: `(?:${ATOM}(?:\\.${ATOM})*|${QUOTED})@(?:${HOSTNAME}|\\[(?:${IPV4}|IPv6:(?:${IPV6}))\\])`,
  uri: URI,
  "uri-reference": `(?:${URI}|${RELATIVE})`,
  "json-pointer": POINTER,
  "relative-json-pointer": `(?:0|[1-9]\\d*)(?:#|${POINTER})`,
};

/** Formats of the standard that are no regular languages, or whose tables are not here. */
export const UNHELD_FORMATS: ReadonlySet<string> = new Set([
  "idn-email",
  "idn-hostname",
  "iri",
  "iri-reference",
  "uri-template",
  "regex",
]);

/** The texts of a format; null where the name is none of the standard's, which says nothing of a text. */
export function formatLanguage(l: Languages, name: string, path: string): Regex | null {
  if (name === "date") return date(l, path);
  if (name === "date-time") return l.cat(date(l, path), l.set([0x54, 0x54, 0x74, 0x74]), whole(l, TIME, path));
  if (name === "hostname") {
    const puny = l.not(patternLanguage(l, "(^|\\.)(..--|[Xx][Nn]--)", "u", path));
    const lengths = l.or(
      ...HOST_LENGTHS.map(([most, longest]) => {
        const label = l.repeat(l.set(HOST_LETTERS), 1, longest);
        return l.cat(label, l.repeat(l.cat(l.text("."), label), 0, most - 1));
      }),
    );
    return l.and(whole(l, HOSTNAME, path), lengths, puny);
  }
  return Object.hasOwn(PATTERNS, name) ? whole(l, PATTERNS[name], path) : null;
}

function whole(l: Languages, source: string, path: string): Regex {
  return patternLanguage(l, `^(?:${source})$`, "u", path);
}

/** Days that there are, leap years by the rule of 4, 100 and 400. */
function date(l: Languages, path: string): Regex {
  const days =
    "(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8])";
  const year = whole(l, "\\d{4}", path);
  const leap = whole(l, "\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00", path);
  return l.or(l.cat(year, whole(l, `-(?:${days})`, path)), l.cat(leap, l.text("-02-29")));
}
