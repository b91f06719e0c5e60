/** Returns the names and keywords in a text of SQL, in lower case and without quotes. */
export function namesIn(sql: string): readonly string[] {
  const found = sql.toLowerCase().matchAll(/"([^"]*)"|[\p{L}_][\p{L}\p{N}_$]*/gu);
  return [...found].map(([word, quoted]) => quoted ?? word);
}
