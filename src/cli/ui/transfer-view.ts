import { countText, durationText } from '../../lib/quantities.ts';
import type { TransferEvent } from '../../transfers/events.ts';
import { columnsOf, createDraw } from './live.ts';
import { cut } from './table.ts';
import { isLive, oneLine, type Screen, type Terminal } from './terminal.ts';

/** Shows the progress of a transfer. */
export interface TransferView {
  show(event: TransferEvent): void;
  /** Shows a message that is not an event. */
  note(text: string): void;
  end(): void;
}

/** Creates a live view on a terminal, otherwise one that writes a line for each event. */
export function createTransferView(terminal: Pick<Terminal, 'env'>, screen: Screen): TransferView {
  return isLive(terminal, screen) ? new LiveView(screen) : lineView(screen);
}

function lineView(screen: Screen): TransferView {
  return {
    show: (event) => screen.write(`${event.at.toISOString()} ${event.kind} ${oneLine(event.message)}\n`),
    note: (text) => screen.write(`${text}\n`),
    end: () => undefined,
  };
}

const MAX_BAR = 40;
/** The columns of what stands beside the bar. */
const FACTS = 72;
/** For how long rows must have been copied before their speed says something, in milliseconds. */
const SAMPLE_MS = 2_000;

/** Redraws a progress bar at the end of the screen. All other events stay above it. */
class LiveView implements TransferView {
  readonly #screen: Screen;
  readonly #draw: ReturnType<typeof createDraw>;
  /** The first event of this copy with rows. */
  #first: TransferEvent | undefined;
  #percent = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#draw = createDraw(screen);
  }

  show(event: TransferEvent): void {
    if (event.kind === 'COPYING') {
      this.#draw(cut(this.#lineOf(event), columnsOf(this.#screen) - 1));
      return;
    }
    if (event.kind === 'STARTED') {
      this.#first = undefined;
      this.#percent = 0;
    }
    this.#draw.persist(`${event.kind.toLowerCase().replaceAll('_', ' ')}: ${oneLine(event.message)}`);
  }

  note(text: string): void {
    this.#draw.persist(text);
  }

  end(): void {
    this.#draw.done();
  }

  #lineOf(event: TransferEvent): string {
    this.#first ??= event;
    const { rowsCopied, rowsTotal, message } = event;
    const left = rowsTotal === null ? 0 : rowsTotal - rowsCopied;
    // An estimate that turns out to be too low says nothing about what is left.
    if (rowsTotal !== null && left > 0) {
      this.#percent = Math.max(this.#percent, Math.min(99, Math.floor((rowsCopied / rowsTotal) * 100)));
    }
    const elapsedMs = event.at.getTime() - this.#first.at.getTime();
    const rate = elapsedMs < SAMPLE_MS ? 0 : (rowsCopied - this.#first.rowsCopied) / (elapsedMs / 1_000);
    const size = Math.min(MAX_BAR, Math.max(10, columnsOf(this.#screen) - FACTS));
    const filled = Math.round((this.#percent / 100) * size);
    const facts = [
      `${this.#percent} %`,
      oneLine(message),
      ...(rate >= 1 ? [`${countText(Math.round(rate))} rows/s`] : []),
      ...(rate >= 1 && left > 0 ? [`${durationText((left / rate) * 1_000)} left`] : []),
    ];
    return `${'█'.repeat(filled)}${'░'.repeat(size - filled)} ${facts.join(', ')}`;
  }
}
