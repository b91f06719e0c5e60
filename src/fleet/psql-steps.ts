import {
  aroundSavepoints,
  checkDeferredAndContinueSql,
  freshSessionSql,
  ownSession,
} from '../migrator/apply/session.ts';
import { commonSchema } from '../migrator/files/common-schema.ts';
import { historyTable } from '../migrator/files/history.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import type { SourceStatement } from '../migrator/files/source-statements.ts';
import { sameEverywhere } from '../postgres/session-settings.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';

/**
 * The beginning of a script. A tenant in a schema of its own has the schema's name in the variable `schema`; the script
 * sets it for a tenant with a database of its own.
 * @see https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-INTERPOLATION
 */
export const headScript = `\\set ON_ERROR_STOP on
-- For a tenant in a schema of its own: psql -v schema=NAME
\\set in_schema :{?schema}
\\if :in_schema
\\else
\\set schema public
\\endif`;

/** Where a script carries out steps. */
export interface ScriptTarget {
  /** The search path, as psql reads it. */
  readonly searchPath: string;
  /** The history table, as psql reads it. */
  readonly history: string;
}

/** The tenant's own schema. */
export const tenantTarget: ScriptTarget = {
  searchPath: `:"schema", ${commonSchema}`,
  history: `:"schema".${historyTable}`,
};

/** The schema that all tenants of the database share. */
export const commonTarget: ScriptTarget = {
  searchPath: commonSchema,
  history: `${commonSchema}.${historyTable}`,
};

/** The part of a script that applies a step and records it, in a session that nothing has touched. */
export function stepScript(file: MigrationFile, { searchPath, history }: ScriptTarget): string {
  const { scope, name, hash, parsed, transactional, backfill } = file;
  const { before, after } = aroundSavepoints(file, 'up');
  // The semicolon goes on a line of its own because a statement may end with a comment.
  const plain = (text: string) => `${text}\n;`;
  const sql = [...before.map(plain), ...(parsed.up ?? []).map(psqlStatement), ...after.map(plain)].join('\n');
  const setPath = `SET search_path TO ${searchPath};`;
  const check = transactional
    ? `${ownSession.join('; ')};\n${setPath}\n${checkDeferredAndContinueSql('current_schema()')};\n`
    : '';
  const values = [scope, name, hash, 'APPLIED'].map(quoteLiteral).join(', ');
  return `-- ${name}${backfill ? whyInOne : ''}
${freshSession}
${setPath}
${sql}
${check}${freshSession}
INSERT INTO ${history} (scope, name, hash, status) VALUES (${values});`;
}

const whyInOne = `: a backfill. A run changes the rows in batches while requests go on; this script changes all rows in one statement, and
-- requests that write one of them wait until the COMMIT. It leaves a tenant alone in which a run has begun the backfill.`;

/** A colon and a name, which psql replaces with the value of its variable of this name. */
const variable = /(?<!:):["'{]?[\p{L}_]/u;

/**
 * A statement as psql must read it. psql looks for its end itself, and takes a `begin` in the body of an SQL function for
 * the start of a block. What it may misread, it gets as a text to execute.
 * @see https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-META-COMMAND-GEXEC
 */
function psqlStatement({ text, isParsed, hasSqlBody }: SourceStatement): string {
  const mayBeMisread = !isParsed || hasSqlBody || variable.test(text);
  return mayBeMisread ? `SELECT ${quoteLiteral(text)} \\gexec` : `${text}\n;`;
}

/** The settings of our own connections. */
const freshSession = [
  freshSessionSql,
  ...Object.entries(sameEverywhere).map(([name, value]) => `SET ${name} TO ${value};`),
].join('\n');
