import { userInfo } from 'node:os';

/** Returns the name of the system user who runs the command, or the user id if it has no name, as in many containers. */
export function operatorName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? '?'}`;
  }
}
