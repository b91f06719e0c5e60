import type { Impact, RowRange, TenantTable } from '../../fleet/impact/impact.ts';
import { type Column, writeTable } from './table.ts';
import type { CommandContext } from './terminal.ts';

/** Writes what each dangerous statement will meet in the tenants. */
export function writeImpacts(context: CommandContext, impacts: readonly Impact[]): void {
  const { stdout } = context;
  for (const { warning, table, ranges, unread, largest } of impacts) {
    const place = warning.line === undefined ? warning.migration : `${warning.migration}, line ${warning.line}`;
    stdout.write(`\nImpact of ${warning.rule} (${place}) on ${table}:${describeRanges(ranges)}\n`);
    if (unread > 0) {
      stdout.write(
        `  ${inTenants(unread)} could not be read, or ${unread === 1 ? 'has' : 'have'} no such table yet.\n`,
      );
    }
    const [first] = largest;
    if (!first || first.rows === 0) continue;
    if (first.lockMs !== null) {
      stdout.write(`  The lock lasts up to ${duration(first.lockMs)} in ${first.tenant.slug} (estimated).\n`);
    }
    writeTable(
      context,
      stdout,
      largestColumns,
      largest.filter(({ rows }) => rows > 0),
    );
  }
}

/** An impact as JSON. */
export function impactView({ byTenant: _, warning, largest, ...impact }: Impact) {
  return {
    migration: warning.migration,
    rule: warning.rule,
    line: warning.line,
    statement: warning.statement,
    ...impact,
    largest: largest.map(({ tenant, ...size }) => ({ tenant: tenant.slug, ...size })),
  };
}

const largestColumns: readonly Column<TenantTable>[] = [
  { title: 'TENANT', value: ({ tenant }) => tenant.slug },
  { title: 'ROWS', value: ({ rows }) => number(rows) },
  { title: 'SIZE', value: ({ bytes }) => size(bytes) },
  { title: 'LOCKED', value: ({ lockMs }) => (lockMs === null ? null : `about ${duration(lockMs)}`) },
];

function describeRanges(ranges: readonly RowRange[]): string {
  return ranges.length === 0 ? '' : ` ${ranges.map(describeRange).join(', ')}.`;
}

function describeRange({ min, max, tenants }: RowRange): string {
  const verb = tenants === 1 ? 'has' : 'have';
  if (max === null) return `${inTenants(tenants)} ${verb} ${number(min)} rows or more`;
  return `${inTenants(tenants)} ${verb} ${max === 0 ? 'no rows' : `${number(min)} to ${number(max)} rows`}`;
}

function inTenants(count: number): string {
  return count === 1 ? '1 tenant' : `${number(count)} tenants`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function size(bytes: number): string {
  return bytes < 1_000_000 ? `${number(Math.ceil(bytes / 1_000))} kB` : `${number(Math.round(bytes / 1_000_000))} MB`;
}

function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(Math.round(ms), 1)} ms`;
  return ms < 120_000 ? `${Number((ms / 1_000).toPrecision(2))} s` : `${Math.round(ms / 60_000)} minutes`;
}
