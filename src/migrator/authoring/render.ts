import { badInput } from '../../lib/errors.ts';
import type { TableChanges } from '../diff/entity-tables.ts';

const LINE = 120;
/** Names are names of files too, which have limits. */
const MAX_NAME = 100;

/**
 * The words of a new migration's name.
 * @throws {AppError} BAD_USER_INPUT if no name can be made of them
 */
export function wordsOf(title: string): readonly string[] {
  const plain = title.normalize('NFKD').replace(/\p{M}/gu, '');
  const words = plain.split(/[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])/).filter((word) => word !== '');
  if (/^[a-z]/i.test(words[0] ?? '') && words.join('_').length <= MAX_NAME) return words;
  throw badInput(
    'name',
    `A name of a migration has letters and digits, at most ${MAX_NAME}, and begins with a letter, such as add_notes`,
  );
}

/**
 * The text of a migration's file, as the formatter has it.
 * @param changes undefined: an empty one, which explains itself
 */
export function migrationText(words: readonly string[], changes: TableChanges | undefined): string {
  const title = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  // What it extends is called so.
  const name = title === 'Migration' ? 'NewMigration' : title;
  const methods = [methodText('up', changes?.up)];
  if (!changes || changes.down) methods.push(methodText('down', changes?.down));
  const warnings = changes ? changes.warnings.map((warning) => `TODO: ${warning}`) : template;
  return `import { Migration } from '@mikro-orm/migrations';

${warnings.map((warning) => `// ${warning}\n`).join('')}export default class ${name} extends Migration {
  ${methods.join('\n\n  ')}
}
`;
}

const template = [
  'up() says what is sent to each tenant, all in one transaction: an addSql() for each statement, names without a schema.',
  'down() takes it back. Delete down() if that cannot be done.',
  'For CREATE INDEX CONCURRENTLY and its like, add: override isTransactional(): boolean { return false; }',
];

function methodText(name: 'up' | 'down', statements: readonly string[] | undefined): string {
  const lines = statements ? statements.map(addSqlText) : ["    this.addSql('');"];
  return `override ${name}(): void {\n${lines.map((line) => `${line}\n`).join('')}  }`;
}

/** Quotes that need no escaping, and no line that is longer than it must be. */
function addSqlText(statement: string): string {
  const isPlain = !/['\\\n]/.test(statement);
  const text = isPlain ? `'${statement}'` : `\`${statement.replace(/[\\`]|\$(?=\{)/g, '\\$&')}\``;
  const line = `    this.addSql(${text});`;
  return line.length <= LINE || text.includes('\n') ? line : `    this.addSql(\n      ${text},\n    );`;
}
