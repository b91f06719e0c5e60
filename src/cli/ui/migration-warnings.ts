import type { MigrationWarning } from '../../migrator/lint/lint.ts';
import { oneLine, type Screen } from './terminal.ts';

/** Writes what statements can do to tables with rows, and the safe way. */
export function writeMigrationWarnings(screen: Screen, warnings: readonly MigrationWarning[]): void {
  for (const { migration, line, rule, severity, message, advice, statement, allowedBecause } of warnings) {
    const place = line === undefined ? migration : `${migration}, line ${line}`;
    if (allowedBecause !== undefined) {
      screen.write(`ALLOWED ${rule} (${place}): because ${oneLine(allowedBecause)}\n`);
      continue;
    }
    screen.write(`${severity} ${rule} (${place})\n  ${oneLine(statement)}\n  ${message}\n`);
    screen.write(`${advice.replace(/^/gm, '  ')}\n`);
  }
}
