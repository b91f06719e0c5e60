import type { FuncCall, Node } from 'libpg-query';

/** An index that a statement builds concurrently. */
export interface BuiltIndex {
  /** Undefined if PostgreSQL chooses the name. */
  readonly name: string | undefined;
  readonly table: string;
  /** Its columns as they appear in a name that PostgreSQL chooses: `expr` for an expression. */
  readonly columns: readonly string[];
}

/** What a statement's syntax says about its effects. */
export interface StatementFacts {
  /** Whether it begins or ends a transaction. Savepoint commands don't. */
  readonly endsTransaction: boolean;
  /** Whether it is a savepoint command. */
  readonly usesSavepoint: boolean;
  /** Whether it is a COPY whose rows come from the client. */
  readonly copiesFromClient: boolean;
  /** Whether it has CONCURRENTLY. */
  readonly isConcurrent: boolean;
  readonly buildsIndex: BuiltIndex | undefined;
  /** Whether it drops an index concurrently, which leaves an INVALID index if it is interrupted. */
  readonly dropsIndex: boolean;
  /** The enum type that it creates. */
  readonly createsEnum: string | undefined;
  readonly addsEnumValue: { readonly type: string; readonly value: string } | undefined;
  /** Whether it may run code that its text doesn't show: functions, blocks, procedures, prepared statements. */
  readonly runsCode: boolean;
  /** Whether it may leave something in the session, other than by triggers: settings, temporary tables, cursors, locks. */
  readonly mayChangeSession: boolean;
  /** Whether it may change rows, so that a deferred constraint may have to be checked. */
  readonly mayChangeRows: boolean;
  /** Whether it sets when constraints are checked, for the rest of the transaction. */
  readonly setsConstraints: boolean;
  /** Whether it creates a function whose body is SQL syntax, and not a text. */
  readonly hasSqlBody: boolean;
  /** All names and texts in it. */
  readonly words: ReadonlySet<string>;
}

/** Statements that define something and touch neither rows nor the session, unless they call functions. */
const definitions: ReadonlySet<string> = new Set([
  'AlterDomainStmt',
  'AlterEnumStmt',
  'AlterFunctionStmt',
  'AlterObjectSchemaStmt',
  'AlterOwnerStmt',
  'AlterPolicyStmt',
  'AlterSeqStmt',
  'AlterTableStmt',
  'AlterTypeStmt',
  'CommentStmt',
  'CompositeTypeStmt',
  'CreateDomainStmt',
  'CreateEnumStmt',
  'CreateFunctionStmt',
  'CreatePolicyStmt',
  'CreateRangeStmt',
  'CreateSeqStmt',
  'CreateStatsStmt',
  'CreateStmt',
  'CreateTrigStmt',
  'DropStmt',
  'GrantStmt',
  'IndexStmt',
  'ReindexStmt',
  'RenameStmt',
  'RuleStmt',
  'TruncateStmt',
  'ViewStmt',
]);

/** Statements that read or change rows. Triggers aside, only functions in them can touch the session. */
const rowChanges: ReadonlySet<string> = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);

/** Functions that do nothing but return a value. */
const pureFunctions: ReadonlySet<string> = new Set(['now', 'gen_random_uuid', 'lower', 'upper', 'length', 'to_char']);

const transactionKinds: ReadonlySet<string> = new Set([
  'TRANS_STMT_BEGIN',
  'TRANS_STMT_START',
  'TRANS_STMT_COMMIT',
  'TRANS_STMT_ROLLBACK',
  'TRANS_STMT_PREPARE',
  'TRANS_STMT_COMMIT_PREPARED',
  'TRANS_STMT_ROLLBACK_PREPARED',
]);

/** @param node the statement's parse tree; undefined if the parser doesn't know its syntax, so that it may do anything */
export function factsOf(node: Node | undefined): StatementFacts {
  const found = node ? collect(node) : undefined;
  const kind = node && Object.keys(node)[0];
  const transaction = node && 'TransactionStmt' in node ? node.TransactionStmt : undefined;
  const copy = node && 'CopyStmt' in node ? node.CopyStmt : undefined;
  const runsCode = !found || found.runsCode;
  const isDefinition = kind !== undefined && definitions.has(kind) && !runsCode;
  const isRowChange = kind !== undefined && rowChanges.has(kind) && !runsCode;
  return {
    endsTransaction: transactionKinds.has(transaction?.kind ?? ''),
    usesSavepoint: transaction !== undefined && !transactionKinds.has(transaction.kind ?? ''),
    copiesFromClient: copy?.is_from === true && copy.filename === undefined,
    isConcurrent: found?.isConcurrent ?? false,
    ...indexFacts(node),
    ...enumFacts(node),
    runsCode,
    mayChangeSession: !(isDefinition || isRowChange) || (found?.isTemporary ?? true),
    mayChangeRows: !isDefinition,
    setsConstraints: kind === 'ConstraintsSetStmt',
    hasSqlBody: node !== undefined && 'CreateFunctionStmt' in node && node.CreateFunctionStmt.sql_body !== undefined,
    words: found?.words ?? new Set(),
  };
}

function indexFacts(node: Node | undefined): Pick<StatementFacts, 'buildsIndex' | 'dropsIndex'> {
  const index = node && 'IndexStmt' in node ? node.IndexStmt : undefined;
  const drop = node && 'DropStmt' in node ? node.DropStmt : undefined;
  const columns = [...(index?.indexParams ?? []), ...(index?.indexIncludingParams ?? [])];
  const buildsIndex: BuiltIndex | undefined = index?.concurrent
    ? {
        name: index.idxname,
        table: index.relation?.relname ?? '',
        columns: columns.map((column) => ('IndexElem' in column && column.IndexElem.name) || 'expr'),
      }
    : undefined;
  return { buildsIndex, dropsIndex: drop?.removeType === 'OBJECT_INDEX' && drop.concurrent === true };
}

function enumFacts(node: Node | undefined): Pick<StatementFacts, 'createsEnum' | 'addsEnumValue'> {
  const create = node && 'CreateEnumStmt' in node ? node.CreateEnumStmt : undefined;
  const alter = node && 'AlterEnumStmt' in node ? node.AlterEnumStmt : undefined;
  const added = alter && alter.oldVal === undefined ? alter.newVal : undefined;
  return {
    createsEnum: create && lastName(create.typeName),
    addsEnumValue: alter && added !== undefined ? { type: lastName(alter.typeName), value: added } : undefined,
  };
}

function lastName(names: readonly Node[] | undefined): string {
  const last = names?.at(-1);
  return (last && 'String' in last && last.String.sval) || '';
}

interface Found {
  readonly words: Set<string>;
  runsCode: boolean;
  isConcurrent: boolean;
  isTemporary: boolean;
}

/** What runs code that it doesn't show. */
const runners: ReadonlySet<string> = new Set(['DoStmt', 'CallStmt', 'ExecuteStmt']);

function collect(node: Node): Found {
  const found: Found = { words: new Set(), runsCode: false, isConcurrent: false, isTemporary: false };
  // A list instead of recursion: an expression may be nested deeply.
  const open: unknown[] = [node];
  while (open.length > 0) {
    const current = open.pop();
    if (typeof current !== 'object' || current === null) continue;
    for (const [key, value] of Object.entries(current)) {
      if (typeof value === 'string') found.words.add(value);
      if (value === 'pg_temp') found.isTemporary = true;
      // In PostgreSQL's parse trees, a field of this name is always such a node.
      if (key === 'FuncCall') found.runsCode ||= !isPure(value as FuncCall);
      if (runners.has(key)) found.runsCode = true;
      if (key === 'concurrent' || (key === 'defname' && value === 'concurrently')) found.isConcurrent = true;
      if (key === 'relpersistence' && value === 't') found.isTemporary = true;
      if (typeof value === 'object') open.push(value);
    }
  }
  return found;
}

function isPure(call: FuncCall): boolean {
  const names = call.funcname ?? [];
  return names.length === 1 && pureFunctions.has(lastName(names));
}
