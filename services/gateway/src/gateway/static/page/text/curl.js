/** The same order as a command for a POSIX shell. */
import { bodyOf } from "../state/sending.js";

export function curlOf(order) {
  const fields = Object.entries(bodyOf(order)).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`);
  const body = `{${fields.join(", ")}}`;
  return `curl ${location.origin}/transfers -H 'Content-Type: application/json' -d ${quoted(body)}`;
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
