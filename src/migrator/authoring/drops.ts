import type { AlterTableCmd, DropStmt, Node } from 'libpg-query';
import { loadStatementParser } from '../../postgres/sql/statements.ts';
import { namesIn } from '../diff/names-in.ts';

/** What a statement drops. */
export interface Drop {
  /** What is lost, such as `the column products.stock with all its values`. */
  readonly lost: string;
  /** Whether a later statement of the list makes it again, perhaps otherwise. */
  readonly isMadeAgain: boolean;
}

/** Finds out what each statement of a list drops; undefined for a statement that drops nothing. */
export async function dropsIn(statements: readonly string[]): Promise<readonly (Drop | undefined)[]> {
  const parse = await loadStatementParser();
  const trees = statements.map((statement) => parse(statement).flatMap(({ tree }) => tree ?? []));
  return trees.map((nodes, index) => {
    const found = nodes.flatMap(droppedBy);
    if (found.length === 0) return undefined;
    const later = statements.slice(index + 1);
    return {
      lost: found.map(({ lost }) => lost).join(', '),
      isMadeAgain: found.every(({ again }) => later.some(again)),
    };
  });
}

/** Tells an author about it. */
export function describeDrop({ lost, isMadeAgain }: Drop): string {
  return isMadeAgain ? `${lost}; it is made again below` : lost;
}

interface Dropped {
  readonly lost: string;
  /** Whether a statement makes it again. */
  readonly again: (statement: string) => boolean;
}

/** Whether a statement creates an object or adds a constraint of this name. */
function made(name: string): Dropped['again'] {
  return (statement) => {
    const [head = ''] = statement.split('(', 1);
    const named = /^\s*create\b/i.test(head) ? head : /\badd constraint (.*)/is.exec(head)?.[1];
    return namesIn(named ?? '').includes(name.toLowerCase());
  };
}

/** Whether a statement has these words, in upper or lower case. */
function says(words: string): Dropped['again'] {
  return (statement) => statement.toLowerCase().includes(words.toLowerCase());
}

function altered(name: string, action: string): Dropped['again'] {
  return says(`alter column "${name}" ${action}`);
}

function droppedBy(tree: Node): readonly Dropped[] {
  if ('DropStmt' in tree) return droppedObjects(tree.DropStmt);
  if (!('AlterTableStmt' in tree)) return [];
  const { relation, cmds = [] } = tree.AlterTableStmt;
  const table = relation?.relname ?? '';
  return cmds.flatMap((node) => ('AlterTableCmd' in node ? droppedParts(table, node.AlterTableCmd) : []));
}

const kinds: Partial<Readonly<Record<NonNullable<DropStmt['removeType']>, readonly [string, string]>>> = {
  OBJECT_FUNCTION: ['function', ''],
  OBJECT_INDEX: ['index', ''],
  OBJECT_MATVIEW: ['materialized view', ' with its rows'],
  OBJECT_POLICY: ['policy', ''],
  OBJECT_PROCEDURE: ['procedure', ''],
  OBJECT_SCHEMA: ['schema', ''],
  OBJECT_SEQUENCE: ['sequence', ''],
  OBJECT_TABLE: ['table', ' with all its rows'],
  OBJECT_TRIGGER: ['trigger', ''],
  OBJECT_TYPE: ['type', ''],
  OBJECT_VIEW: ['view', ''],
};

function droppedObjects({ removeType, objects = [], behavior }: DropStmt): readonly Dropped[] {
  const [kind, contents] = (removeType && kinds[removeType]) ?? ['object', ''];
  const others = behavior === 'DROP_CASCADE' ? ' and whatever depends on it' : '';
  return objects.map((node) => {
    const name = lastName(node);
    return { lost: `the ${kind} ${name}${contents}${others}`, again: made(name) };
  });
}

/** A trigger's name comes after its table's, and any name after its schema's. */
function lastName(node: Node | undefined): string {
  if (!node) return '';
  if ('List' in node) return lastName(node.List.items?.at(-1));
  if ('TypeName' in node) return lastName(node.TypeName.names?.at(-1));
  if ('ObjectWithArgs' in node) return lastName(node.ObjectWithArgs.objname?.at(-1));
  return 'String' in node ? (node.String.sval ?? '') : '';
}

function droppedParts(table: string, { subtype, name = '', def }: AlterTableCmd): readonly Dropped[] {
  const column = `${table}.${name}`;
  switch (subtype) {
    case 'AT_DropColumn':
      return [{ lost: `the column ${column} with all its values`, again: says(`add "${name}"`) }];
    case 'AT_DropConstraint':
      return [{ lost: `the constraint ${name} of ${table}`, again: made(name) }];
    case 'AT_ColumnDefault':
      return def ? [] : [{ lost: `the default of ${column}`, again: altered(name, 'set default') }];
    case 'AT_DropNotNull':
      return [{ lost: `the NOT NULL of ${column}`, again: altered(name, 'set not null') }];
    case 'AT_DropExpression':
      return [{ lost: `the expression of ${column}`, again: altered(name, 'set expression') }];
    case 'AT_DropIdentity':
      return [{ lost: `the identity of ${column}`, again: altered(name, 'add generated') }];
    case 'AT_DisableRowSecurity':
      return [{ lost: `the row security of ${table}`, again: says(`"${table}" enable row level security`) }];
    default:
      return [];
  }
}
