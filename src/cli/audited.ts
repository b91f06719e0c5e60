import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { AppError } from '../errors.ts';
import type { Services } from '../services.ts';

/** What is done on the command line that the audit log is to tell of. */
export interface AuditedAction<T> {
  /** The name of the mutation that does the same. */
  readonly action: string;
  readonly args: object;
  /** The id of the tenant that the result is about. */
  readonly tenantOf: (result: T) => string;
}

/** Does something, and writes its outcome to the audit log as that of a mutation is; the actor is the user of the shell. */
export async function audited<T>(
  { catalog }: Services,
  { action, args, tenantOf }: AuditedAction<T>,
  work: () => Promise<T>,
): Promise<T> {
  const { writeAudit } = await import('../accounts/audit.ts');
  const write = (outcome: string, tenantId?: string) =>
    writeAudit(catalog, {
      actor: userInfo().username,
      userId: undefined,
      action,
      tenantId,
      outcome,
      address: undefined,
      requestId: randomUUID(),
      details: JSON.stringify({ ...args, by: 'the command line' }),
    });
  try {
    const result = await work();
    await write('OK', tenantOf(result));
    return result;
  } catch (error) {
    await write(error instanceof AppError ? error.code : 'INTERNAL_SERVER_ERROR');
    throw error;
  }
}
