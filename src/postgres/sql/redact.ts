/** Where an SQL text may have values: strings in all their notations, numbers and comments. Names are matched to be left alone. */
const tokens =
  /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[\s\S]*|[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|\\?$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|--[^\n]*|\/\*[\s\S]*|[A-Za-z_$][\w$]*|\d[\w.]*/g;

/**
 * Replaces the values in an SQL text, and puts it on one line. Names and placeholders stay. After a string in dollar quotes or a
 * comment in slashes the rest is left out, because neither has a simple end.
 * @param maxLength in characters; the rest is cut
 */
export function redactValues(sql: string, maxLength: number): string {
  const line = sql
    .slice(0, 4 * maxLength)
    .replace(tokens, withoutValue)
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > maxLength ? `${line.slice(0, maxLength)}…` : line;
}

function withoutValue(token: string): string {
  if (/^['eE]?'/.test(token)) return "'…'";
  if (/^\$(?:\$|[^\d$][^$]*\$)/.test(token)) return "'…'";
  if (/^(?:--|\/\*)/.test(token)) return ' ';
  return /^\d/.test(token) ? '?' : token;
}
