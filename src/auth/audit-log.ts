import type { Catalog } from '../catalog/catalog.ts';
import { AppError } from '../lib/errors.ts';
import { replaceHidden } from '../lib/input.ts';
import type { Identity } from './tokens/tokens.ts';

/** One thing that somebody did, or tried to. */
export interface AuditRecord {
  readonly actor: string;
  readonly userId: string | undefined;
  /** What was done: the name of a mutation, or a command. */
  readonly action: string;
  readonly tenantId: string | undefined;
  /** OK, or the code of the error. */
  readonly outcome: string;
  readonly address: string | undefined;
  readonly requestId: string | undefined;
  readonly details: string | undefined;
}

const MAX_ACTOR = 254;
const MAX_DETAILS = 4000;

/** That an entry stands for several, or can become one that does. */
export interface AuditRepeats {
  /** Entries of one minute with the same key are one row. */
  readonly key: string;
  /** How many it stands for. */
  readonly count: number;
}

/**
 * Adds to the audit log.
 * @param repeats by default the entry stands alone
 */
export async function writeAudit(
  catalog: Pick<Catalog, 'use'>,
  record: AuditRecord,
  repeats?: AuditRepeats,
): Promise<void> {
  const { actor, userId, action, tenantId, outcome, address, requestId, details } = record;
  await catalog.use((client) =>
    client.query(
      `INSERT INTO audit_log (actor, user_id, action, tenant_id, outcome, address, request_id, details, count, repeat_key)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI ') || $10)
       ON CONFLICT (repeat_key) DO UPDATE SET
         count = audit_log.count + excluded.count,
         last_at = greatest(audit_log.last_at, audit_log.at, now())`,
      [
        // A stranger may give anything as an address.
        replaceHidden(actor.slice(0, MAX_ACTOR), '\uFFFD'),
        userId,
        action,
        tenantId,
        outcome,
        address,
        requestId,
        details && replaceHidden(details.slice(0, MAX_DETAILS), '\uFFFD'),
        repeats?.count ?? 1,
        repeats?.key,
      ],
    ),
  );
}

/** What a caller is called in the log. */
export function actorOf({ email, subject, isPlatformAdmin }: Identity): string {
  return email ?? subject ?? (isPlatformAdmin ? 'a platform admin' : 'a token without a subject');
}

/** How it ended, for {@link AuditRecord.outcome}. */
export function outcomeOf(error: unknown): string {
  if (error === undefined) return 'OK';
  return error instanceof AppError ? error.code : 'INTERNAL_SERVER_ERROR';
}

/** Arguments as JSON, without secrets, nor those in URLs; of long texts and lists the beginning. */
export function describeArguments(args: object): string {
  const secret = /password|token/i;
  return JSON.stringify(args, (key, value: unknown) => {
    if (secret.test(key)) return undefined;
    if (Array.isArray(value) && value.length > MAX_ITEMS)
      return [...value.slice(0, MAX_ITEMS), `… and ${value.length - MAX_ITEMS} more`];
    if (typeof value !== 'string') return value;
    // Before it is cut: a password that has lost the @ after it could not be told from a host.
    const text = key === 'url' ? redactedUrl(value) : redacted(value);
    return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  });
}

const MAX_TEXT = 500;
const MAX_ITEMS = 20;

/** One that is written wrongly, and so refused, may have a password too, as may the parameters of one. */
function redactedUrl(text: string): string {
  const at = text.lastIndexOf('@');
  const [scheme = ''] = /^\w{1,20}:\/\//.exec(text) ?? [];
  const shown = at < 0 ? text : `${scheme}…${text.slice(at)}`;
  const query = shown.indexOf('?');
  return query < 0 ? shown : `${shown.slice(0, query)}?…`;
}

/** Without the user and password of URLs, wherever they stand: what is between "://" and the last @ before a space. */
function redacted(text: string): string {
  return text.replace(/\S+/g, (word) => {
    const start = word.indexOf('://');
    const end = word.lastIndexOf('@');
    return start >= 0 && end > start ? `${word.slice(0, start)}://…${word.slice(end)}` : word;
  });
}
