import { inSpan, recordSpan, SpanKind, type TraceContext } from '../../telemetry/tracing.ts';
import type { Direction, MigrationFile } from '../files/migration-file.ts';

/** Runs what carries out one migration in one database in a span of its own. Its statements are spans below it. */
export function inMigrationSpan<T>(step: NamedStep, direction: Direction, work: () => Promise<T>): Promise<T> {
  return inSpan(nameOf(direction), { attributes: attributesOf(step) }, work);
}

/** Records such a span for what is over, and returns the context of its statements. */
export function recordMigrationSpan(
  step: NamedStep,
  direction: Direction,
  times: { readonly startMs: number; readonly endMs: number },
  error?: unknown,
): TraceContext {
  return recordSpan(nameOf(direction), times, { kind: SpanKind.INTERNAL, attributes: attributesOf(step), error });
}

type NamedStep = Pick<MigrationFile, 'name'>;

function nameOf(direction: Direction): string {
  return direction === 'down' ? 'revert migration' : 'apply migration';
}

function attributesOf({ name }: NamedStep) {
  return () => ({ 'tenantry.migration': name });
}
