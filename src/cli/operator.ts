import { userInfo } from 'node:os';

/** Who runs the command: the name of the system's user, or its number where it has no name, as in many containers. */
export function operatorName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? '?'}`;
  }
}
