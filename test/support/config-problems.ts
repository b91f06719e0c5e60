import { ConfigError, loadConfig } from '../../src/config/config.ts';

/** The problems of settings; none if they are valid. */
export function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
