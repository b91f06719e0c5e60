import type pg from 'pg';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';
import type { SendResult } from './send.ts';

/** A webhook that this process delivers events to. No other process does so at the same time, which keeps their order. */
export interface ClaimedWebhook {
  readonly id: string;
  /** Names the claim, so that a process that has lost it writes nothing. */
  readonly claim: string;
  readonly url: string;
  /** The encrypted secret. */
  readonly secret: string;
}

/** An event to send. */
export interface PendingDelivery {
  readonly id: string;
  readonly eventId: string;
  readonly payload: string;
}

/** A webhook that has failed for this long is switched off, in hours. */
export const GIVE_UP_HOURS = 24;
/** The longest pause between attempts, in seconds. The first is two seconds, and each is twice as long as the one before. */
const MAX_PAUSE_SECONDS = 3_600;

/**
 * Claims webhooks with events that are due: unclaimed ones, those of dead processes, and those whose claim this process has
 * failed to end.
 * @param active the webhooks that this process is working on
 */
export async function claimWebhooks(
  client: pg.Client,
  instance: number,
  { most, active }: { readonly most: number; readonly active: readonly string[] },
): Promise<readonly ClaimedWebhook[]> {
  // The writers of events hold a key share lock, which does not conflict with this one.
  const { rows } = await client.query<ClaimedWebhook>(
    `UPDATE webhooks SET claim = gen_random_uuid(), claimed_by = $1
     WHERE id IN (
       SELECT id FROM webhooks w
       WHERE is_enabled AND next_attempt_at <= now() AND id <> ALL ($3::uuid[])
         AND EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id AND delivered_at IS NULL)
         AND (claimed_by IS NULL OR claimed_by = $1 OR NOT ${isAliveSql('claimed_by')})
       ORDER BY next_attempt_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
     RETURNING id, claim, url, secret`,
    [instance, most, active],
  );
  return rows;
}

/** Reads the next event of a webhook; undefined if there is none, the claim is lost, or the webhook was changed or switched off. */
export async function nextDelivery(
  client: pg.Client,
  { id, claim, url }: ClaimedWebhook,
): Promise<PendingDelivery | undefined> {
  const { rows } = await client.query<PendingDelivery>(
    `SELECT d.id, d.event_id AS "eventId", d.payload FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id
     WHERE w.id = $1 AND w.claim = $2 AND w.url = $3 AND w.is_enabled AND d.delivered_at IS NULL ORDER BY d.id LIMIT 1`,
    [id, claim, url],
  );
  return rows[0];
}

/** Writes that a webhook has received an event. */
export async function recordDelivered(
  client: pg.Client,
  { id, claim }: ClaimedWebhook,
  delivery: string,
  { statusCode }: SendResult,
): Promise<void> {
  await client.query(
    `WITH w AS (
       UPDATE webhooks SET failures = 0, failing_since = NULL WHERE id = $1 AND claim = $2 RETURNING id)
     UPDATE webhook_deliveries d SET attempts = attempts + 1, status_code = $4, error = NULL,
       attempted_at = now(), delivered_at = now()
     FROM w WHERE d.id = $3 AND d.webhook_id = w.id`,
    [id, claim, delivery, statusCode],
  );
}

/** The HTTP status of a receiver that wants no more events. */
const GONE = 410;

/**
 * Writes that an attempt failed, and ends the claim. The webhook is tried again later, or switched off if it has failed for
 * {@link GIVE_UP_HOURS} or is gone.
 * @returns why it was switched off; undefined if it was not
 */
export async function recordFailure(
  client: pg.Client,
  { id, claim }: ClaimedWebhook,
  delivery: string,
  { statusCode, error }: SendResult,
): Promise<string | undefined> {
  const { rows } = await client.query<{ reason: string | null }>(
    `WITH w AS (
       UPDATE webhooks SET failures = failures + 1, failing_since = coalesce(failing_since, now()), claim = NULL,
         claimed_by = NULL, is_enabled = is_enabled AND r.reason IS NULL,
         disabled_reason = CASE WHEN is_enabled THEN r.reason ELSE disabled_reason END,
         next_attempt_at = now() + make_interval(secs =>
           least(${MAX_PAUSE_SECONDS}, 2 * power(2, least(failures, 20))) * (0.8 + 0.4 * random()))
       FROM (SELECT CASE
         WHEN $4 = ${GONE} THEN 'The receiver answered with the status ${GONE}: it wants no more events'
         WHEN failing_since < now() - interval '${GIVE_UP_HOURS} hours'
           THEN 'It has failed for ${GIVE_UP_HOURS} hours. The last error: ' || $5
       END AS reason FROM webhooks WHERE id = $1) r
       WHERE id = $1 AND claim = $2 RETURNING id, r.reason),
     d AS (
       UPDATE webhook_deliveries d SET attempts = attempts + 1, status_code = $4, error = $5, attempted_at = now()
       FROM w WHERE d.id = $3 AND d.webhook_id = w.id)
     SELECT reason FROM w`,
    [id, claim, delivery, statusCode, error],
  );
  return rows[0]?.reason ?? undefined;
}

/** Ends a claim. If more events wait, webhooks that have waited for longer have their turn first. */
export async function releaseWebhook(client: pg.Client, { id, claim }: ClaimedWebhook): Promise<void> {
  await client.query(
    'UPDATE webhooks SET claim = NULL, claimed_by = NULL, next_attempt_at = now() WHERE id = $1 AND claim = $2',
    [id, claim],
  );
}

/**
 * Deletes old deliveries, including pending ones, in small steps.
 * @returns whether there may be more
 */
export async function deleteOldDeliveries(client: pg.Client, days: number): Promise<boolean> {
  const most = 5_000;
  const { rowCount } = await client.query(
    `DELETE FROM webhook_deliveries WHERE id IN (
       SELECT id FROM webhook_deliveries WHERE created_at < now() - make_interval(days => $1) ORDER BY created_at LIMIT $2
       FOR UPDATE SKIP LOCKED)`,
    [days, most],
  );
  return rowCount === most;
}
