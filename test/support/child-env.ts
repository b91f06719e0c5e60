const { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE, TENANT_MIGRATIONS_DIR } = process.env;

/**
 * What a process that a test starts has of this one's environment: nothing of the developer's settings, but what finds
 * programs and folders, Node's cache of compiled code, and the folder of tenants' migrations.
 */
export const childEnv: NodeJS.ProcessEnv = { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE, TENANT_MIGRATIONS_DIR };
