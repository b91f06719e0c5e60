import { describe, expect, it } from 'vitest';
import { acceptHashSql, insertHistorySql } from '../../src/migrator/files/history.ts';
import { loadStatementParser } from '../../src/postgres/sql/statements.ts';
import { problemsOf } from '../../src/servers/citus/problems.ts';
import { prepareCommonSql } from '../../src/servers/shared/common-line.ts';
import { prepareTenantSchemaSql } from '../../src/servers/tenant-sql.ts';

const parse = await loadStatementParser();

describe('what Citus takes', () => {
  it.each([
    ['a tenant’s schema', prepareTenantSchemaSql('tenant_0123456789', 'tenant_0123456789')],
    ['common', prepareCommonSql('auth_schema_tenants')],
  ])(
    'the SQL that prepares %s is one message without a statement whose whole message Citus sends again',
    (_what, sql) => {
      const kinds = parse(sql).map(({ tree }) => Object.keys(tree ?? {})[0]);
      expect(kinds).toContain('CreateStmt');
      expect(kinds).not.toContain('IndexStmt');
      expect(kinds).not.toContain('AlterTableStmt');
      expect(kinds).not.toContain('RenameStmt');
    },
  );

  it('a record with a condition has no subquery in VALUES, and its values in FROM', () => {
    const record = {
      name: 'a',
      hash: 'b',
      status: 'APPLIED',
      run: undefined,
      checkpoint: undefined,
      durationMs: 1,
    } as const;
    const [statement, ...others] = parse(insertHistorySql('tenant_0123456789', 'TENANT', [record], 1));
    expect(others).toEqual([]);
    const { valuesLists, fromClause } = selectOf(statement?.tree);
    expect(valuesLists).toBeUndefined();
    expect(fromClause).toHaveLength(2);
  });

  it('an accepted hash is stored by a statement that returns no function', () => {
    const [statement] = parse(acceptHashSql('tenant_0123456789'));
    expect(statement?.tree).toMatchObject({
      UpdateStmt: { returningClause: { exprs: [{ ResTarget: { val: { ColumnRef: expect.anything() } } }] } },
    });
  });

  it('common is made on the coordinator, whatever the setting of its database', () => {
    const [first, second] = parse(prepareCommonSql('auth_schema_tenants'));
    expect(first?.text).toBe('SET LOCAL citus.enable_schema_based_sharding = off');
    expect(second?.text).toMatch(/^CREATE SCHEMA/);
  });
});

describe('what a cluster lacks', () => {
  const cluster = {
    version: '13.2-1',
    distributesSchemas: true,
    nodes: [{ host: 'worker-1', port: 5432, isActive: true }],
  };
  const problems = (changes: Partial<typeof cluster>) =>
    problemsOf({ ...cluster, ...changes }, 'eu', 'shared').map(({ message, remedy }) => `${message}. ${remedy}`);

  it('is nothing, or what to do about it is said', () => {
    expect(problems({})).toEqual([]);
    expect(problems({ distributesSchemas: false })).toEqual([
      expect.stringContaining('ALTER DATABASE "shared" SET citus.enable_schema_based_sharding = on'),
    ]);
    expect(problems({ nodes: [] })).toEqual([expect.stringMatching(/none with isolation SCHEMA .* citus_add_node/)]);
    expect(problems({ nodes: [], distributesSchemas: false })).not.toContainEqual(
      expect.stringContaining('SCHEMA can'),
    );
    expect(problems({ nodes: [{ host: 'worker-1', port: 5432, isActive: false }] })).toEqual([
      expect.stringMatching(/worker-1:5432.*citus_activate_node/),
    ]);
    expect(problems({ version: '11.3-1', distributesSchemas: false })).toEqual([expect.stringContaining('Citus 12')]);
  });
});

/** The SELECT of an INSERT, in PostgreSQL's parse tree. */
function selectOf(tree: unknown): { readonly valuesLists?: unknown; readonly fromClause?: unknown } {
  const { InsertStmt } = tree as { InsertStmt: { selectStmt: { SelectStmt: Record<string, unknown> } } };
  return InsertStmt.selectStmt.SelectStmt;
}
