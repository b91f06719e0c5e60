import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runSteps } from '../../src/catalog/run-status.ts';
import { tenantSteps } from '../../src/catalog/tenant-status.ts';
import { transferSteps } from '../../src/catalog/transfer-status.ts';
import { movesOf } from '../support/moves.ts';

const page = readFileSync('docs/how-it-works.md', 'utf8');

/** The first diagram after a heading. */
function diagramAfter(heading: string): string {
  return /```mermaid\n([\s\S]*?)```/.exec(page.slice(page.indexOf(`\n## ${heading}\n`)))?.[1] ?? '';
}

/** The moves of a diagram of statuses, as `movesOf` returns them. */
function movesIn(diagram: string): string[] {
  const arrows = [...diagram.matchAll(/^ +(\S+) --> (\S+)/gm)];
  return arrows.map(([, from = '', to = '']) => `${from} → ${to}`.replaceAll('[*]', '').trim()).sort();
}

describe('the page about how it works shows', () => {
  it('every move of a tenant between statuses', () => {
    const moves = movesOf(tenantSteps).filter((move) => !staysIn(move));
    expect(movesIn(diagramAfter('The life of a tenant'))).toEqual(moves);
  });

  it('moves of a run that the code allows, and all of its statuses', () => {
    const shown = movesIn(diagramAfter('A run'));
    const allowed = movesOf(runSteps);
    expect(shown.filter((move) => !allowed.includes(move))).toEqual([]);
    expect(statusesIn(shown)).toEqual(statusesIn(allowed));
  });

  it('all statuses of a transfer', () => {
    const [diagram = ''] = page.slice(page.indexOf('is a transfer:')).split('```\n\n');
    const shown = statusesIn(movesIn(diagram)).filter((status) => status !== 'claimed');
    expect(shown).toEqual(statusesIn(movesOf(transferSteps)));
  });

  it('every table of auth', () => {
    const migrations = globSync('migrations/auth/*.ts').map((file) => readFileSync(file, 'utf8'));
    const tables = migrations.flatMap((text) => [...text.matchAll(/CREATE TABLE (\w+)/g)].map(([, table]) => table));
    expect(tables.length).toBeGreaterThan(20);
    const shown = new Set(diagramAfter('The tables of `auth`').match(/\w+/g));
    expect(tables.filter((table) => table !== undefined && !shown.has(table))).toEqual([]);
  });
});

function statusesIn(moves: readonly string[]): string[] {
  return [...new Set(moves.flatMap((move) => move.split('→').map((status) => status.trim())))].filter(Boolean).sort();
}

function staysIn(move: string): boolean {
  const [from, to] = move.split(' → ');
  return from === to;
}
