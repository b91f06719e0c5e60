import type { ChangeStream } from './change-stream.ts';
import type { ChangeWriter } from './change-writer.ts';
import type { Lsn } from './lsn.ts';

/** What applying a stream needs. */
export interface ApplyOptions {
  readonly stream: ChangeStream;
  readonly writer: ChangeWriter;
  /** The prefix of markers. */
  readonly slot: string;
  /** Called with markers whose transaction, and everything before it, is committed at the target. */
  readonly onMarkers: (markers: readonly string[]) => void;
  /** Called with the number of changes that were committed at the target. */
  readonly onApplied: (changes: number) => void;
  readonly signal: AbortSignal;
}

/** How many changes are committed together if more are waiting. Each commit waits for the disk. */
const CHANGES_AT_ONCE = 2_000;

/** Applies a stream's transactions, in their order, until the signal is aborted. */
export async function applyStream(options: ApplyOptions): Promise<void> {
  const { stream, writer, slot, onMarkers, onApplied, signal } = options;
  let markers: string[] = [];
  let position: Lsn | undefined;
  let inTransaction = false;
  const commit = async () => {
    if (position === undefined) return;
    const changes = writer.uncommitted;
    await writer.commit(position);
    stream.confirm(position);
    position = undefined;
    if (changes > 0) onApplied(changes);
    onMarkers(markers);
    markers = [];
  };
  for (;;) {
    const messages = await stream.take(signal);
    if (signal.aborted) return;
    for (const message of messages) {
      switch (message.kind) {
        case 'begin':
          inTransaction = true;
          break;
        case 'commit':
          inTransaction = false;
          position = message.endLsn;
          if (writer.uncommitted >= CHANGES_AT_ONCE) await commit();
          break;
        case 'position':
          if (inTransaction) break;
          await commit();
          stream.confirm(message.lsn);
          break;
        case 'relation':
          writer.describe(message);
          break;
        case 'message':
          if (message.prefix === slot) markers.push(message.content);
          break;
        default:
          await writer.add(message);
      }
    }
    if (!inTransaction) await commit();
  }
}
