const { PATH, HOME, TMPDIR, NODE_OPTIONS, TENANT_MIGRATIONS_DIR } = process.env;

/**
 * What a process that a test starts has of this one's environment: nothing of the developer's settings, but what finds
 * programs and folders, and what puts the fixture in the place of the modules (see `test/fixture/modules.ts`).
 */
export const childEnv: NodeJS.ProcessEnv = { PATH, HOME, TMPDIR, NODE_OPTIONS, TENANT_MIGRATIONS_DIR };
