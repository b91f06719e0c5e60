import type { Result } from './harness.ts';

/** Formats the results of all benchmarks as a table. */
export function formatTable(results: readonly Result[]): string {
  const header = ['', 'baseline', 'tenantry', '', 'ratio', 'quartiles', 'target', 'met'];
  const rows = results.map((result) => [
    result.what,
    figure(result.baseline),
    figure(result.tenantry),
    result.unit,
    figure(result.ratio),
    result.quartiles ? result.quartiles.map(figure).join(' to ') : '',
    result.target,
    result.met ? 'yes' : 'NO',
  ]);
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)));
  const numeric = new Set([1, 2, 4]);
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        numeric.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [header, widths.map((width) => '─'.repeat(width)), ...rows].map(line).join('\n');
}

/** Formats a figure with three significant digits, and large figures without a fraction. */
function figure(value: number | undefined): string {
  if (value === undefined) return '';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
