/** A position in PostgreSQL's write-ahead log, in bytes. */
export type Lsn = bigint;

/**
 * Writes a position as PostgreSQL does, such as `16/B374D848`.
 * @see https://www.postgresql.org/docs/current/datatype-pg-lsn.html
 */
export function formatLsn(lsn: Lsn): string {
  const hex = (half: bigint) => half.toString(16).toUpperCase();
  return `${hex(lsn >> 32n)}/${hex(lsn & 0xffffffffn)}`;
}

/**
 * Reads what {@link formatLsn} writes.
 * @throws {RangeError} if it is something else
 */
export function parseLsn(text: string): Lsn {
  const [, high, low] = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text) ?? [];
  if (high === undefined || low === undefined) throw new RangeError(`${text} is not a position in the log`);
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
