import { commonSchema } from './common-schema.ts';
import { databaseWideIn, serverWideIn } from './database-wide.ts';

/** A statement as PostgreSQL's parser gives it: an object with one key, the kind of the statement. */
export type StatementTree = Readonly<Record<string, unknown>>;

/** The schemas whose objects a tenant's migration may read by their full names. */
const readable: ReadonlySet<string> = new Set([commonSchema, 'pg_catalog', 'information_schema', 'pg_temp']);

/** The keys under which the parser puts what a statement creates, changes or drops. */
const targetKeys: ReadonlySet<string> = new Set([
  'relation',
  'relations',
  'rel',
  'rels',
  'inhRelations',
  'view',
  'table',
  'sequence',
  'typevar',
  'funcname',
  'typeName',
  'opfamilyname',
  'opclassname',
  'defnames',
  'domainname',
  'objects',
  'object',
  'obj',
]);

/** The keys under which the parser puts a name in parts, such as schema and table. Others hold lists of columns. */
const nameKeys: ReadonlySet<string> = new Set([
  'cfgname',
  'collation',
  'collname',
  'conversion_name',
  'defnames',
  'dictname',
  'domainname',
  'func_name',
  'funcname',
  'name',
  'names',
  'objname',
  'opclass',
  'opclassname',
  'operName',
  'opfamilyname',
  'order_family',
  'typeName',
  'useOp',
]);

/** The number of names that precede an object's own, without a schema: `COMMENT ON COLUMN notes.text` has one. */
const ownersOf: Readonly<Record<string, number>> = {
  OBJECT_COLUMN: 1,
  OBJECT_TRIGGER: 1,
  OBJECT_RULE: 1,
  OBJECT_POLICY: 1,
  OBJECT_TABCONSTRAINT: 1,
  OBJECT_DOMCONSTRAINT: 1,
  OBJECT_OPCLASS: 1,
  OBJECT_OPFAMILY: 1,
};

/**
 * Finds out whether a tenant's migration would create, change or use something outside the tenant's schema. Such a migration
 * does one thing to a tenant with a database and another to a tenant with a schema, or to other tenants.
 * @returns why not, with what to write instead; undefined if it stays inside
 */
export function foreignObjectIn(statement: StatementTree): string | undefined {
  const [kind = ''] = Object.keys(statement);
  const content = asNode(statement[kind]);
  if (!content) return undefined;
  const extension = extensionOf(kind, content);
  if (extension !== undefined) {
    return `An extension belongs to all tenants of a database. Write a migration in migrations/common instead: CREATE EXTENSION ${extension}`;
  }
  const schema = schemaIn(kind, content);
  if (schema !== undefined) {
    return `A tenant's objects are all in its own schema. Leave ${schema} out, and name its objects without a schema, such as ${schema}_log instead of ${schema}.log`;
  }
  return databaseWideIn(kind, content) ?? misplacedName(content, kind);
}

/**
 * Finds out whether a migration of `common` would create, change or use something outside that schema, which is another one
 * in each database.
 * @returns why not, with what to write instead; undefined if it stays inside
 */
export function foreignToCommonIn(statement: StatementTree): string | undefined {
  const [kind = ''] = Object.keys(statement);
  const content = asNode(statement[kind]);
  if (!content) return undefined;
  const schema = schemaIn(kind, content) ?? extensionSchemaIn(kind, content);
  if (schema !== undefined && schema !== commonSchema) {
    return `All that tenants share is in the schema ${commonSchema}. Leave ${schema} out`;
  }
  return serverWideIn(kind, content) ?? misplacedName(content, kind, commonSchema);
}

/** The schema that `CREATE EXTENSION` names. */
function extensionSchemaIn(kind: string, { options }: Node): string | undefined {
  if (kind !== 'CreateExtensionStmt') return undefined;
  const option = asList(options)
    .map((one) => asNode(asNode(one)?.DefElem))
    .find((one) => one?.defname === 'schema');
  return option && namesOf(option.arg)[0];
}

type Node = Readonly<Record<string, unknown>>;

function asNode(value: unknown): Node | undefined {
  // The parser's tree is JSON.
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Node) : undefined;
}

function extensionOf(kind: string, content: Node): string | undefined {
  if (/ExtensionStmt$|^AlterExtension/.test(kind)) return String(content.extname ?? '…');
  return content.removeType === 'OBJECT_EXTENSION' ? '…' : undefined;
}

function schemaIn(kind: string, content: Node): string | undefined {
  if (kind === 'CreateSchemaStmt') return String(content.schemaname ?? 'the schema');
  if (kind === 'AlterObjectSchemaStmt') return String(content.newschema);
  if (kind === 'RenameStmt' && content.renameType === 'OBJECT_SCHEMA') return String(content.subname);
  if (content.removeType === 'OBJECT_SCHEMA') return namesOf(asList(content.objects)[0]).at(-1) ?? 'the schema';
  return undefined;
}

/** @param own the schema whose objects may be changed by their full names */
function misplacedName(content: Node, kind: string, own?: string): string | undefined {
  const owners = ownersOf[String(content.objtype ?? content.removeType ?? content.renameType ?? '')] ?? 0;
  for (const [key, value] of Object.entries(content)) {
    const isTarget = (targetKeys.has(key) && !onlyReads(key, value, kind)) || content.subtype === 'AT_AddInherit';
    for (const { schema, name } of namesIn(value, key, owners)) {
      if (!readable.has(schema))
        return `Write ${name} instead of ${schema}.${name}: tenants have schemas of other names`;
      if (isTarget && schema !== 'pg_temp' && schema !== own) return explainTarget(schema, name);
    }
    for (const child of childrenOf(value)) {
      const found = misplacedName(child, key === likeClause ? key : kind, own);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

const likeClause = 'TableLikeClause';

/** A column's type, a function that is called, and a table whose columns are copied are used and not changed. */
function onlyReads(key: string, value: unknown, kind: string): boolean {
  if (kind === likeClause) return true;
  return key === 'funcname' ? kind !== 'CreateFunctionStmt' : key === 'typeName' && !Array.isArray(value);
}

function explainTarget(schema: string, name: string): string {
  return schema === commonSchema
    ? `${schema}.${name} belongs to all tenants of a database. Write this statement in a migration in migrations/common instead`
    : `${schema}.${name} belongs to PostgreSQL`;
}

interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

/** The names with a schema that a value is or has in a list: of tables, types, functions and other objects. */
function namesIn(value: unknown, key: string, owners: number): readonly QualifiedName[] {
  const node = asNode(value);
  if (node) {
    const { schemaname, relname, names } = node;
    if (typeof schemaname === 'string' && typeof relname === 'string') return [{ schema: schemaname, name: relname }];
    if (Array.isArray(names)) return qualified(names, 0);
    const [wrapped] = Object.keys(node).length === 1 ? Object.entries(node) : [];
    if (!wrapped) return [];
    const [kind, content] = wrapped;
    if (kind === 'List') return targetKeys.has(key) ? qualified(asList(asNode(content)?.items), owners) : [];
    if (kind === 'ObjectWithArgs') return qualified(asList(asNode(content)?.objname), 0);
    return kind === 'RangeVar' || kind === 'TypeName' ? namesIn(content, key, owners) : [];
  }
  const list = asList(value);
  if (list.length === 0) return [];
  const isName = list.every((one) => asNode(asNode(one)?.String));
  if (!isName) return list.flatMap((one) => namesIn(one, key, owners));
  return nameKeys.has(key) ? qualified(list, 0) : [];
}

/** @param owners how many names without a schema precede the last one */
function qualified(parts: readonly unknown[], owners: number): readonly QualifiedName[] {
  const names = parts.flatMap((part) => namesOf(part));
  const [schema] = names;
  if (names.length < 2 + owners || schema === undefined) return [];
  return [{ schema, name: names.slice(1).join('.') }];
}

function namesOf(part: unknown): readonly string[] {
  const text = asNode(asNode(part)?.String)?.sval;
  return typeof text === 'string' ? [text] : [];
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function childrenOf(value: unknown): readonly Node[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.map(asNode).filter((node) => node !== undefined);
}
