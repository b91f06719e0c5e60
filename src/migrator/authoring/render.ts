import { badInput } from '../../lib/errors.ts';
import type { TableChanges } from '../diff/entity-tables.ts';
import { type Drop, describeDrop } from './drops.ts';

const LINE = 120;
/** Limited because migration names are file names too. */
const MAX_NAME = 100;

/**
 * Derives a new migration's name from its title.
 * @throws {AppError} BAD_USER_INPUT if the title gives no valid name
 */
export function wordsOf(title: string): readonly string[] {
  const plain = title.normalize('NFKD').replace(/\p{M}/gu, '');
  const words = plain.split(/[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])/).filter((word) => word !== '');
  if (/^[a-z]/i.test(words[0] ?? '') && words.join('_').length <= MAX_NAME) return words;
  throw badInput(
    'name',
    `A migration name starts with a letter and has at most ${MAX_NAME} letters and digits, such as add_notes`,
  );
}

/** The changes of a new migration, and what each of their statements drops. */
export interface MarkedChanges extends Pick<TableChanges, 'up' | 'down' | 'warnings'> {
  readonly drops: { readonly up: readonly (Drop | undefined)[]; readonly down: readonly (Drop | undefined)[] };
}

/**
 * Writes the text of a migration file, formatted like the formatter does.
 * @param changes undefined for an empty migration with instructions
 */
export function migrationText(words: readonly string[], changes: MarkedChanges | undefined): string {
  const title = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  // What it extends is called so.
  const name = title === 'Migration' ? 'NewMigration' : title;
  const methods = [methodText('up', changes?.up, changes?.drops.up)];
  if (!changes || changes.down) methods.push(methodText('down', changes?.down, changes?.drops.down));
  const todos = changes?.warnings.map((warning) => `TODO: ${warning}`) ?? template;
  const warnings = changes && !changes.down ? [...todos, irreversible] : todos;
  return `import { Migration } from '@mikro-orm/migrations';

${warnings.map((warning) => `// ${warning.replace(/\s/g, ' ')}\n`).join('')}export default class ${name} extends Migration {
  ${methods.join('\n\n  ')}
}
`;
}

const template = [
  'up() lists the statements for each tenant, sent in one transaction. Call addSql() for each one, without schema names.',
  'down() reverts up(). Delete down() if that is not possible.',
  'For statements such as CREATE INDEX CONCURRENTLY, add: override isTransactional(): boolean { return false; }',
];

/** Without `down()`, `migrate down` refuses before it changes anything. */
const irreversible = 'This migration cannot be taken back: it has no down(). Write one if there is a way.';

function methodText(
  name: 'up' | 'down',
  statements: readonly string[] | undefined,
  drops: readonly (Drop | undefined)[] = [],
): string {
  const lines = statements
    ? statements.map((statement, index) => `${dropText(drops[index])}${addSqlText(statement)}`)
    : ["    this.addSql('');"];
  return `override ${name}(): void {\n${lines.map((line) => `${line}\n`).join('')}  }`;
}

function dropText(drop: Drop | undefined): string {
  return drop ? `    // DROP: ${describeDrop(drop)}.\n` : '';
}

/** Chooses quotes that need no escaping, and breaks long lines. */
function addSqlText(statement: string): string {
  const isPlain = !/['\\\n]/.test(statement);
  const text = isPlain ? `'${statement}'` : `\`${statement.replace(/[\\`]|\$(?=\{)/g, '\\$&')}\``;
  const line = `    this.addSql(${text});`;
  return line.length <= LINE || text.includes('\n') ? line : `    this.addSql(\n      ${text},\n    );`;
}
