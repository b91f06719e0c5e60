const { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE, TENANT_MIGRATIONS_DIR, COMMON_MIGRATIONS_DIR } = process.env;

/** The folders of migrations of the product that tests run with; by default those of the project. */
export const migrationDirs = { TENANT_MIGRATIONS_DIR, COMMON_MIGRATIONS_DIR };

/**
 * What a process that a test starts has of this one's environment: nothing of the developer's settings, but what finds
 * programs and folders, Node's cache of compiled code, and the folders of migrations.
 */
export const childEnv: NodeJS.ProcessEnv = { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE, ...migrationDirs };
