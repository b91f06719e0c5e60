import type { IncomingHttpHeaders } from 'node:http';
import { parse } from 'range-parser';
import type { ByteRange } from './store/file-store.ts';

/** More text than a range needs. */
const MAX_HEADER = 200;

/** The content of a file, as headers describe it. */
export interface Content {
  /** In bytes. */
  readonly size: number;
  readonly etag: string;
  readonly lastModified: string;
}

type Choice = ByteRange | 'unsatisfiable' | undefined;

/** Whether the client has the current content already. @see https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2 */
export function isCurrent({ 'if-none-match': known }: IncomingHttpHeaders, { etag }: Content): boolean {
  if (known === undefined) return false;
  return known.trim() === '*' || known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/**
 * Returns the range of bytes that a request asks for; undefined for the whole file. A header that is malformed or asks for
 * several ranges is ignored, as is one whose `if-range` names other content.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-14.2
 */
export function chooseRange({ range, 'if-range': condition }: IncomingHttpHeaders, content: Content): Choice {
  if (range === undefined || range.length > MAX_HEADER) return undefined;
  if (condition !== undefined && condition !== content.etag && condition !== content.lastModified) return undefined;
  const { code, type, ranges } = parse(content.size, range);
  const isMalformed = (code & 1) === 1;
  if (type !== 'bytes' || isMalformed || ranges.length > 1) return undefined;
  return ranges[0] ?? 'unsatisfiable';
}
