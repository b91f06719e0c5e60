import type { Catalog } from '../catalog/catalog.ts';
import { AppError } from '../lib/errors.ts';
import { replaceHidden } from '../lib/input.ts';
import type { Identity } from './tokens/tokens.ts';

/** An action that somebody took or attempted. */
export interface AuditRecord {
  readonly actor: string;
  readonly userId: string | undefined;
  /** The name of a mutation, an operation or a CLI command. */
  readonly action: string;
  readonly tenantId: string | undefined;
  /** OK, or the error code. */
  readonly outcome: string;
  readonly address: string | undefined;
  readonly requestId: string | undefined;
  readonly details: string | undefined;
}

const MAX_ACTOR = 254;
const MAX_DETAILS = 4000;

/** How an entry is merged with equal ones. */
export interface AuditRepeats {
  /** Entries with the same key within one minute share a row. */
  readonly key: string;
  /** How many actions the entry counts. */
  readonly count: number;
}

/**
 * Writes an entry to the audit log.
 * @param repeats by default the entry is not merged
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
        // An unauthenticated caller can send anything as an address.
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

/** The name of a caller in the log. */
export function actorOf({ email, subject, isPlatformAdmin }: Identity): string {
  return email ?? subject ?? (isPlatformAdmin ? 'a platform admin' : 'a token without a subject');
}

/** The value of {@link AuditRecord.outcome} for an error or its absence. */
export function outcomeOf(error: unknown): string {
  if (error === undefined) return 'OK';
  return error instanceof AppError ? error.code : 'INTERNAL_SERVER_ERROR';
}

/** Formats arguments as JSON, without secrets and without passwords in URLs. Long strings and lists are truncated. */
export function describeArguments(args: object): string {
  const secret = /password|token/i;
  return JSON.stringify(args, (key, value: unknown) => {
    if (secret.test(key)) return undefined;
    if (Array.isArray(value) && value.length > MAX_ITEMS)
      return [...value.slice(0, MAX_ITEMS), `… and ${value.length - MAX_ITEMS} more`];
    if (typeof value !== 'string') return value;
    // Redacted before truncation: without the @ after it, a password could not be distinguished from a host.
    const text = /^(pooler)?url$/i.test(key) ? redactedUrl(value) : redacted(value);
    return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  });
}

const MAX_TEXT = 500;
const MAX_ITEMS = 20;

/** Also redacts invalid URLs and query parameters, since both can contain passwords. */
function redactedUrl(text: string): string {
  const at = text.lastIndexOf('@');
  const [scheme = ''] = /^\w{1,20}:\/\//.exec(text) ?? [];
  const shown = at < 0 ? withoutPort(text) : `${scheme}…${text.slice(at)}`;
  const query = shown.indexOf('?');
  return query < 0 ? shown : `${shown.slice(0, query)}?…`;
}

/** In a URL of PostgreSQL without a host, what stands in the place of the port is the password. */
function withoutPort(text: string): string {
  return /^postgres/i.test(text) ? text.replace(/:(?!\/\/|\d{1,5}(?:[/?#,]|$))[^?]*/, ':…') : text;
}

/** Removes the user and password from URLs in a text: everything between "://" and the last @ before a space. */
function redacted(text: string): string {
  return text.replace(/\S+/g, (word) => {
    const start = word.indexOf('://');
    const end = word.lastIndexOf('@');
    return start >= 0 && end > start ? `${word.slice(0, start)}://…${word.slice(end)}` : word;
  });
}
