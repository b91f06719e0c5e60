import { createLogUpdate } from 'log-update';
import type { TransferEvent } from '../../transfers/events.ts';
import { cut } from './table.ts';
import { isLive, oneLine, type Screen, type Terminal } from './terminal.ts';

/** Shows the progress of a transfer. */
export interface TransferView {
  show(event: TransferEvent): void;
  /** Shows a message that is not an event. */
  note(text: string): void;
  end(): void;
}

const BAR = 40;

/** Creates a live view on a terminal, otherwise one that writes a line for each event. */
export function createTransferView(terminal: Pick<Terminal, 'env'>, screen: Screen): TransferView {
  if (!isLive(terminal, screen)) {
    return {
      show: (event) => screen.write(`${event.at.toISOString()} ${event.kind} ${oneLine(event.message)}\n`),
      note: (text) => screen.write(`${text}\n`),
      end: () => undefined,
    };
  }
  const draw = createLogUpdate(screen, { showCursor: true });
  const cutToWidth = (text: string) => cut(text, (screen.columns ?? 80) - 1);
  return {
    show: (event) => {
      if (event.kind === 'COPYING') return draw(cutToWidth(barOf(event)));
      draw.persist(cutToWidth(`${event.kind.toLowerCase().replaceAll('_', ' ')}: ${oneLine(event.message)}`));
    },
    note: (text) => draw.persist(text),
    end: () => draw.done(),
  };
}

function barOf({ rowsCopied, rowsTotal, message }: TransferEvent): string {
  const total = Math.max(rowsTotal ?? 0, rowsCopied, 1);
  const filled = Math.round((rowsCopied / total) * BAR);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${oneLine(message)}`;
}
