/** What the parser calls the kinds of objects that a statement is about. */
const objectKeys = ['objtype', 'objectType', 'removeType', 'renameType'] as const;

type Content = Readonly<Record<string, unknown>>;

interface Rule {
  /** The kinds of statements that it is about. */
  readonly statements: RegExp;
  /** The kinds of objects that it is about, whatever the statement. */
  readonly objects?: RegExp;
  readonly instead: string;
}

/** What several databases of a server share. */
const ofServer: readonly Rule[] = [
  {
    statements: /^(Create|Drop|Alter)(Role|RoleSet)Stmt$|^GrantRoleStmt$/,
    objects: /^OBJECT_ROLE$/,
    instead: 'Roles belong to the whole server: create them outside migrations',
  },
  {
    statements: /^(DropOwned|ReassignOwned)Stmt$/,
    instead: 'This concerns what a role owns in all schemas of the database: name the objects instead',
  },
  {
    statements: /^(Createdb|Dropdb|AlterDatabase(Set|RefreshColl)?|AlterSystem|CheckPoint|Load)Stmt$/,
    objects: /^OBJECT_(DATABASE|PARAMETER_ACL)$/,
    instead: 'This concerns all tenants of the database or the server: do it outside migrations',
  },
  {
    statements: /^((Create|Drop|Alter)TableSpace(Options)?|AlterTableMoveAll)Stmt$/,
    objects: /^OBJECT_TABLESPACE$/,
    instead: 'Tablespaces belong to the whole server: create them outside migrations',
  },
];

const ofDatabase: readonly Rule[] = [
  {
    statements:
      /^(Create|Alter|Drop)(Publication|Subscription|EventTrig|Fdw|ForeignServer|UserMapping|PLang|Am|Transform)Stmt$/,
    objects:
      /^OBJECT_(ACCESS_METHOD|EVENT_TRIGGER|EXTENSION|FDW|FOREIGN_SERVER|LANGUAGE|PUBLICATION|SUBSCRIPTION|TRANSFORM|USER_MAPPING)$/,
    instead:
      'This belongs to all tenants of a database. Write this statement in a migration in migrations/common instead',
  },
  {
    statements: /^(AlterDefaultPrivileges|ImportForeignSchema)Stmt$/,
    objects: /^OBJECT_SCHEMA$/,
    instead: 'Tenants have schemas of other names: name the objects themselves',
  },
];

/**
 * Finds out whether a statement concerns more than one database, or what a role owns wherever it is.
 * @returns why a migration of tenants' databases must not have it; undefined if it may
 */
export function serverWideIn(kind: string, content: Content): string | undefined {
  return insteadOf(ofServer, kind, content);
}

function insteadOf(rules: readonly Rule[], kind: string, content: Content): string | undefined {
  const objects = objectKeys.map((key) => String(content[key] ?? ''));
  return rules.find((one) => one.statements.test(kind) || objects.some((object) => one.objects?.test(object)))?.instead;
}

/**
 * Finds out whether a statement concerns more than one schema of a database.
 * @returns why a tenant's migration must not have it, with what to write instead; undefined if it may
 */
export function databaseWideIn(kind: string, content: Content): string | undefined {
  const instead = serverWideIn(kind, content) ?? insteadOf(ofDatabase, kind, content);
  if (instead !== undefined) return instead;
  const isAllTables = content.targtype === 'ACL_TARGET_ALL_IN_SCHEMA';
  return isAllTables || hasNoTable(kind, content)
    ? 'This concerns all tables of a schema or of the database: name the tables instead'
    : undefined;
}

/** Whether it locks all tables of the database. `VACUUM` and `ANALYZE` don't. */
function hasNoTable(kind: string, content: Content): boolean {
  // The parser's tree is JSON.
  if (kind === 'VacuumStmt') return content.rels === undefined && JSON.stringify(content).includes('"full"');
  if (kind === 'ClusterStmt') return content.relation === undefined;
  return kind === 'ReindexStmt' && content.relation === undefined;
}
