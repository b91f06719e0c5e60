import { AppError } from '../lib/errors.ts';
import type { Meters } from '../telemetry/meters.ts';

/** Makes an attempt to sign in, and counts it with its outcome. */
export async function countSignIn<T>(
  meters: Meters,
  method: Parameters<Meters['signIn']>[0],
  attempt: () => Promise<T>,
): Promise<T> {
  try {
    const result = await attempt();
    meters.signIn(method, 'ok');
    return result;
  } catch (error) {
    meters.signIn(method, outcomeOf(error));
    throw error;
  }
}

function outcomeOf(error: unknown): 'refused' | 'limited' | 'failed' {
  if (!(error instanceof AppError) || error.code === 'SERVER_BUSY') return 'failed';
  return error.code === 'RATE_LIMITED' ? 'limited' : 'refused';
}
