import { styleText } from 'node:util';
import type { RunEvent } from '../../fleet/events/events.ts';
import { columnsOf, createDraw } from './live.ts';
import { cut } from './table.ts';
import { hasColour, isLive, oneLine, type Screen, type Terminal } from './terminal.ts';

/** An event with the slug of its tenant. */
export interface ReportedEvent extends RunEvent {
  readonly tenant: string | null;
}

/** Shows the progress of a run. */
export interface RunView {
  show(event: ReportedEvent): void;
  /** Shows a message that is not an event. */
  note(text: string): void;
  end(): void;
}

/** The interval between redraws of a terminal, in milliseconds. */
const DRAW_MS = 100;
const MAX_BAR = 40;
/** The maximum number of backfills that are shown at once. */
const MAX_BACKFILLS = 5;

/** Creates a live view on a terminal, otherwise one that writes a line for each event. */
export function createRunView(terminal: Pick<Terminal, 'env'>, screen: Screen): RunView {
  return isLive(terminal, screen) ? new LiveView(screen, hasColour(terminal, screen)) : lineView(screen);
}

function lineView(screen: Screen): RunView {
  return {
    show: (event) => screen.write(`${describe(event)}\n`),
    note: (text) => screen.write(`${text}\n`),
    end: () => undefined,
  };
}

function describe({ at, kind, tenant, migration, message, done, total }: ReportedEvent): string {
  // The message of a failure already contains the migration's name.
  const named = migration !== null && message?.startsWith(`${migration} `) ? null : migration;
  const what = [at.toISOString(), kind, tenant, named, message && oneLine(message)].filter((part) => part);
  return `${what.join(' ')} (${done}/${total})`;
}

/** Redraws a progress bar at the end of the screen. Failures and warnings stay above it. */
class LiveView implements RunView {
  readonly #screen: Screen;
  readonly #colour: boolean;
  readonly #draw: ReturnType<typeof createDraw>;
  #last: ReportedEvent | undefined;
  #wave = '';
  /** What is known of unfinished backfills, by tenant. */
  readonly #backfills = new Map<string, string>();
  #failed = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(screen: Screen, colour: boolean) {
    this.#screen = screen;
    this.#colour = colour;
    this.#draw = createDraw(screen);
  }

  show(event: ReportedEvent): void {
    this.#last = event;
    const { kind, tenant, migration, message } = event;
    if (kind === 'BACKFILL_PROGRESS') this.#backfills.set(tenant ?? '', `${tenant}: ${migration} ${message}`);
    else if (tenant !== null) this.#backfills.delete(tenant);
    if (kind === 'WAVE_STARTED') this.#wave = message ?? '';
    if (kind === 'RUN_RESUMED') this.#failed = 0;
    if (kind === 'TENANT_FAILED') {
      this.#failed += 1;
      this.#keep('red', `✗ ${tenant}: ${oneLine(message ?? '')}`);
    }
    if (kind === 'RUN_WARNING') this.#keep('yellow', `! ${oneLine(message ?? '')}`);
    if (kind === 'TENANT_WARNING') this.#keep('yellow', `! ${tenant}: ${oneLine(message ?? '')}`);
    this.#timer ??= setTimeout(() => this.#render(), DRAW_MS);
  }

  note(text: string): void {
    this.#draw.persist(text);
    this.#render();
  }

  end(): void {
    this.#render();
    this.#draw.done();
  }

  #keep(colour: 'red' | 'yellow', text: string): void {
    this.#draw.persist(this.#paint(colour, text));
  }

  #render(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#last) return;
    const { done, total, rate, remainingSeconds } = this.#last;
    const width = columnsOf(this.#screen);
    const filled = (size: number) => Math.round((total === 0 ? 1 : done / total) * size);
    const size = Math.min(MAX_BAR, Math.max(0, width - 60));
    const bar = `${'█'.repeat(filled(size))}${'░'.repeat(size - filled(size))}`;
    const facts = [
      `${done}/${total} done`,
      `${this.#failed} failed`,
      ...(rate === null ? [] : [`${rate < 10 ? rate.toFixed(1) : Math.round(rate)} a second`]),
      ...(!remainingSeconds ? [] : [`${duration(remainingSeconds)} left`]),
    ].join(', ');
    const lines = [...[...this.#backfills.values()].slice(0, MAX_BACKFILLS), this.#wave, `${bar} ${facts}`]
      .filter((line) => line !== '')
      .map((line) => cut(line.trim(), width - 1));
    this.#draw(lines.join('\n'));
  }

  #paint(colour: 'red' | 'yellow', text: string): string {
    return this.#colour ? styleText(colour, text, { validateStream: false }) : text;
  }
}

/** Formats a duration. `seconds` may have a fraction. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
