import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { sizeText } from '../../lib/quantities.ts';
import { isTransient } from '../../postgres/sql/error-codes.ts';
import { quoteLiteral } from '../../postgres/sql/quote.ts';
import type { CopyPlace, SourcePlace } from '../place.ts';
import { prepareSession } from '../session.ts';
import { applyStream } from './apply-stream.ts';
import { ChangeStream } from './change-stream.ts';
import { ChangeWriter, PositionMovedError } from './change-writer.ts';
import { finishTarget, readFinalFacts } from './finish.ts';
import { readPosition } from './position-table.ts';
import { applyAsReplica } from './session.ts';
import { freeSlot, readSlot } from './slot.ts';
import { compareShapes, readShapes } from './table-shapes.ts';

/** What following a source needs. */
export interface FollowOptions {
  readonly slot: string;
  readonly from: SourcePlace;
  readonly to: CopyPlace;
  /** How much of its log the source may keep for the move, in bytes. */
  readonly maxKeptBytes: number;
  /** Called with the number of changes that were applied. */
  readonly onApplied?: (changes: number) => void;
  /** Called with errors after which it tries again. */
  readonly onRetry?: (error: unknown) => void;
}

/** The slot has lost changes or is gone, or the target has no complete copy: the move must copy again. */
export class CopyLostError extends Error {
  override readonly name = 'CopyLostError';
}

/** The connections while changes are streamed. */
interface Session {
  readonly source: pg.Client;
  readonly target: pg.Client;
  readonly fingerprint: string;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 3_000;
/** How often the size of the kept log is looked at, in milliseconds. */
const WATCH_MS = 5_000;

/**
 * Applies the changes of a source at its copy while both sides are used, may go down and come back. Start it with `run`; the
 * other methods work meanwhile.
 */
export class Follower {
  readonly #options: FollowOptions;
  readonly #stopping = new AbortController();
  readonly #ended = Promise.withResolvers<never>();
  readonly #markers = new Map<string, () => void>();
  #session = Promise.withResolvers<Session>();
  #finishing: Promise<unknown> | undefined;

  constructor(options: FollowOptions) {
    this.#options = options;
    // Nobody may be waiting.
    this.#ended.promise.catch(() => undefined);
  }

  /**
   * Applies changes until `finish` has succeeded. Connections that break are opened again.
   * @throws {CopyLostError}
   * @throws {AppError} CONFLICT if a change cannot be applied, or the source keeps too much of its log
   */
  async run(signal: AbortSignal): Promise<void> {
    const stopping = AbortSignal.any([signal, this.#stopping.signal]);
    let pauseMs = FIRST_PAUSE_MS;
    try {
      while (!stopping.aborted) {
        try {
          await this.#follow(signal, stopping, () => {
            pauseMs = FIRST_PAUSE_MS;
          });
        } catch (error) {
          if (stopping.aborted) break;
          if (!isRetryable(error)) throw error;
          this.#options.onRetry?.(error);
          await sleep(pauseMs, undefined, { signal: stopping }).catch(() => undefined);
          pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
        }
      }
      await this.#finishing;
      signal.throwIfAborted();
      this.#ended.reject(new Error('The changes are no longer followed'));
    } catch (error) {
      this.#ended.reject(error);
      throw error;
    }
  }

  /**
   * Measures how far the target is behind: how long it takes until something that is committed at the source now is committed at
   * the target, in milliseconds.
   * @throws what `run` throws, or the signal's reason
   */
  async lag(signal: AbortSignal): Promise<number> {
    const startedAt = performance.now();
    await this.#reach(signal);
    return performance.now() - startedAt;
  }

  /**
   * Applies what is left, sets the sequences and removes the traces of the move at the target. Nobody may write at the source
   * by then. Afterwards `run` resolves.
   * @param timeoutMs how long applying what is left may take, in milliseconds
   * @returns false if it has taken longer; changes are followed further then
   * @throws {AppError} CONFLICT if the source cannot be left: somebody has altered it, or has prepared a transaction
   */
  async finish(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const limited = AbortSignal.any([signal, timeout]);
    try {
      const { source, target, fingerprint } = await this.#whileRunning(this.#session.promise, limited);
      const { from, to } = this.#options;
      const facts = readFinalFacts(source, from, fingerprint);
      // It may be rejected while the marker is waited for.
      facts.catch(() => undefined);
      await this.#reach(limited);
      const values = await this.#whileRunning(facts, limited);
      this.#finishing = finishTarget(target, to.schema, values);
      await this.#finishing;
      return true;
    } catch (error) {
      if (timeout.aborted && !signal.aborted && !this.#finishing) return false;
      throw error;
    } finally {
      if (this.#finishing) this.#stopping.abort();
    }
  }

  /** Waits until everything that is committed at the source now is committed at the target. */
  async #reach(signal: AbortSignal): Promise<void> {
    const marker = randomUUID();
    const reached = new Promise<void>((resolve) => this.#markers.set(marker, resolve));
    try {
      while (!(await this.#emit(marker, signal)));
      await this.#whileRunning(reached, signal);
    } finally {
      this.#markers.delete(marker);
    }
  }

  /**
   * Writes a marker to the source's log. Its commit writes the log up to it to the disk, with the commits before it that did not
   * wait for that: PostgreSQL streams only what is on the disk.
   * @returns false if the connection broke, perhaps afterwards
   */
  async #emit(marker: string, signal: AbortSignal): Promise<boolean> {
    const { source } = await this.#whileRunning(this.#session.promise, signal);
    const emitted = source.query(`
      BEGIN; SET LOCAL synchronous_commit = local;
      SELECT pg_logical_emit_message(true, ${quoteLiteral(this.#options.slot)}, ${quoteLiteral(marker)}); COMMIT`);
    try {
      await this.#whileRunning(emitted, signal);
      return true;
    } catch (error) {
      if (signal.aborted || !isRetryable(error)) throw error;
      await sleep(FIRST_PAUSE_MS);
      return false;
    }
  }

  async #whileRunning<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort);
    try {
      return await Promise.race([work, this.#ended.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Opens the connections and streams until one breaks or `stopping` is aborted. */
  async #follow(signal: AbortSignal, stopping: AbortSignal, onStart: () => void): Promise<void> {
    const { slot, from, to } = this.#options;
    await from.use(async (source) => {
      await prepareSession(source, from.schema);
      await freeSlot(source, slot);
      await this.#checkSlot(source);
      await to.use(async (target) => {
        await applyAsReplica(target, to.schema);
        const stored = await readPosition(target, to.schema, slot);
        if (!stored) throw new CopyLostError('The target of the move has no complete copy');
        const shapes = { source: await readShapes(source, from.schema), target: await readShapes(target, to.schema) };
        compareShapes(shapes.source.keys(), shapes.source, shapes.target);
        const { fingerprint, position } = stored;
        const writer = new ChangeWriter({ client: target, schema: to.schema, ...shapes, position });
        await from.replicate(async (client) => {
          await prepareSession(client, from.schema);
          using stream = ChangeStream.start(client, { slot, from: position });
          onStart();
          await this.#applyAll({ source, target, fingerprint }, stream, writer, stopping);
        }, signal);
      }, signal);
    }, signal);
  }

  async #applyAll(session: Session, stream: ChangeStream, writer: ChangeWriter, stopping: AbortSignal): Promise<void> {
    const tooMuch = new AbortController();
    const watching = setInterval(() => {
      this.#checkSlot(session.source).catch((error: unknown) => {
        if (!isRetryable(error)) tooMuch.abort(error);
      });
    }, WATCH_MS);
    this.#session.resolve(session);
    try {
      await applyStream({
        stream,
        writer,
        slot: this.#options.slot,
        onMarkers: (markers) => {
          for (const marker of markers) this.#markers.get(marker)?.();
        },
        onApplied: (changes) => this.#options.onApplied?.(changes),
        signal: AbortSignal.any([stopping, tooMuch.signal]),
      });
      tooMuch.signal.throwIfAborted();
    } finally {
      clearInterval(watching);
      this.#session = Promise.withResolvers();
    }
  }

  async #checkSlot(source: pg.Client): Promise<void> {
    const { slot, maxKeptBytes } = this.#options;
    const state = await readSlot(source, slot);
    if (!state || state.isLost)
      throw new CopyLostError('The source of the move no longer has the changes since the copy');
    if (state.keptBytes > maxKeptBytes) throw keepsTooMuch(state.keptBytes);
  }
}

/** The error of a move for which the source would keep too much of its log. */
export function keepsTooMuch(bytes: number): AppError {
  return new AppError(
    'CONFLICT',
    `The tenant's server keeps ${sizeText(bytes)} of its log for the move, which is too much: changes come faster than the target applies them. Move the tenant at a quieter time, or offline: without \`--online\` or with online: false.`,
  );
}

function isRetryable(error: unknown): boolean {
  return (
    error instanceof PositionMovedError ||
    (error instanceof AppError && error.code === 'SERVER_BUSY') ||
    (!(error instanceof AppError) && isTransient(error))
  );
}
