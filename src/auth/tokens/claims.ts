import { type MemberRole, memberRoles } from '../../catalog/entities/membership.entity.ts';
import { AppError } from '../../lib/errors.ts';

/** The maximum length of a claim that names something, and of each role, in characters. */
const MAX_CLAIM = 255;
const MAX_ROLES = 100;

type Payload = Readonly<Record<string, unknown>>;

/**
 * Returns the value of a string claim, which may be nested; undefined if it is missing or null.
 * @param claimPath names joined by dots; a claim whose own name contains dots, such as a URL, is found too
 * @throws {AppError} UNAUTHENTICATED for any other value: a token that is meant to name something must not be treated
 *   like one that names nothing
 */
export function readClaim(payload: Payload, claimPath: string): string | undefined {
  const value = valueAt(payload, claimPath);
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && value !== '' && value.length <= MAX_CLAIM) return value;
  throw new AppError(
    'UNAUTHENTICATED',
    `The token's claim ${claimPath} must be a string of 1 to ${MAX_CLAIM} characters`,
  );
}

/** Returns a string claim that nothing depends on; undefined for any other value. */
export function readText(payload: Payload, claimPath: string): string | undefined {
  const value = valueAt(payload, claimPath);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Whether a claim is true; some providers send it as a string. */
export function readFlag(payload: Payload, claimPath: string): boolean {
  const value = valueAt(payload, claimPath);
  return value === true || value === 'true';
}

/** Returns the strings of a claim that is a string or a list: the first hundred. Other values are ignored. */
export function readTexts(payload: Payload, claimPath: string): string[] {
  const value = valueAt(payload, claimPath);
  const texts = (Array.isArray(value) ? value : [value]).filter(
    (item) => typeof item === 'string' && item !== '' && item.length <= MAX_CLAIM,
  );
  return texts.slice(0, MAX_ROLES);
}

/** Returns the first of OWNER, ADMIN and MEMBER among the roles. */
export function memberRoleOf(roles: readonly string[]): MemberRole | undefined {
  return memberRoles.find((role) => roles.includes(role));
}

/** The same for the token of an identity provider, which may only allow lower case names, as Clerk does. */
export function providersRoleOf(roles: readonly string[]): MemberRole | undefined {
  return memberRoles.find((role) => roles.includes(role) || roles.includes(role.toLowerCase()));
}

/**
 * Builds claims in which {@link readClaim} finds `value`.
 * @param others claims to merge with
 */
export function claimAt(claimPath: string, value: string, others: object = {}): Payload {
  const dot = claimPath.indexOf('.');
  const name = dot < 0 ? claimPath : claimPath.slice(0, dot);
  const inside: unknown = Object.hasOwn(others, name) ? Reflect.get(others, name) : undefined;
  const beside = typeof inside === 'object' && inside !== null ? inside : {};
  const inner = dot < 0 ? value : claimAt(claimPath.slice(dot + 1), value, beside);
  return { ...others, ...Object.fromEntries([[name, inner]]) };
}

/** If names contain dots themselves, the longest name takes precedence. */
function valueAt(value: unknown, claimPath: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Object.hasOwn(value, claimPath)) return Reflect.get(value, claimPath);
  for (let dot = claimPath.lastIndexOf('.'); dot > 0; dot = claimPath.lastIndexOf('.', dot - 1)) {
    const name = claimPath.slice(0, dot);
    const inner = Object.hasOwn(value, name) ? valueAt(Reflect.get(value, name), claimPath.slice(dot + 1)) : undefined;
    if (inner !== undefined) return inner;
  }
  return undefined;
}
