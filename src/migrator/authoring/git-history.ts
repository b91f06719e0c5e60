import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import pLimit from 'p-limit';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import { badInput, messageOf } from '../../lib/errors.ts';
import { hashOf, isMigrationFile, migrationName } from '../files/migration-file.ts';
import type { MigrationFolder } from '../files/migration-folder.ts';

const run = promisify(execFile);

/** The maximum number of git processes at once. */
const AT_ONCE = 4;
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/**
 * Lists the migrations that a folder had in a git revision, such as `origin/main`, ordered by name. The branch that is
 * deployed is as good a history as a fleet's.
 * @throws {AppError} BAD_USER_INPUT if git fails
 */
export async function committedMigrations(folder: MigrationFolder, revision: string): Promise<AppliedMigration[]> {
  const git = async (...args: string[]) => {
    const options = { cwd: folder.path, maxBuffer: MAX_FILE_BYTES };
    return (await run('git', args, options)).stdout;
  };
  try {
    const verified = await git('rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`);
    const commit = verified.trim();
    const names = (await git('ls-tree', '-z', '--name-only', commit)).split('\0').filter(isMigrationFile).sort();
    const limit = pLimit(AT_ONCE);
    return await Promise.all(
      names.map((name) =>
        limit(async () => ({ name: migrationName(name), hash: hashOf(await git('show', `${commit}:./${name}`)) })),
      ),
    );
  } catch (error) {
    // The first line is the command, and the last one is git's error.
    const reason = messageOf(error).trim().split('\n').at(-1);
    throw badInput('base', `git cannot list the migrations of ${folder.path} at ${revision}: ${reason}`);
  }
}
