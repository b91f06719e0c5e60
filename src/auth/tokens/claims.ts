import { type MemberRole, memberRoles } from '../../catalog/entities/membership.entity.ts';
import { AppError } from '../../lib/errors.ts';

/** Of a claim that names something, and of each of its roles, in characters. */
const MAX_CLAIM = 255;
const MAX_ROLES = 100;

type Payload = Readonly<Record<string, unknown>>;

/**
 * The value of a claim that is a text, and may lie inside others; undefined if it is not there, or null.
 * @param claimPath names joined by dots; a claim whose own name has dots, such as a URL, is found too
 * @throws {AppError} UNAUTHENTICATED if it is anything else: a token that means to name something must not count as one that
 *   names nothing
 */
export function readClaim(payload: Payload, claimPath: string): string | undefined {
  const value = valueAt(payload, claimPath);
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && value !== '' && value.length <= MAX_CLAIM) return value;
  throw new AppError(
    'UNAUTHENTICATED',
    `The token's claim ${claimPath} must be a text of 1 to ${MAX_CLAIM} characters`,
  );
}

/** The text of a claim that nothing depends on; undefined if it is anything else. */
export function readText(payload: Payload, claimPath: string): string | undefined {
  const value = valueAt(payload, claimPath);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Whether a claim says yes, which some providers say with a text. */
export function readFlag(payload: Payload, claimPath: string): boolean {
  const value = valueAt(payload, claimPath);
  return value === true || value === 'true';
}

/** The texts of a claim that is a list of them, or one: the first hundred. What else is among them gives nobody anything. */
export function readTexts(payload: Payload, claimPath: string): string[] {
  const value = valueAt(payload, claimPath);
  const texts = (Array.isArray(value) ? value : [value]).filter(
    (item) => typeof item === 'string' && item !== '' && item.length <= MAX_CLAIM,
  );
  return texts.slice(0, MAX_ROLES);
}

/** The first of OWNER, ADMIN and MEMBER that is among the roles. */
export function memberRoleOf(roles: readonly string[]): MemberRole | undefined {
  return memberRoles.find((role) => roles.includes(role));
}

/** The same for the token of an identity provider, which may know names in lower case only, as Clerk does. */
export function providersRoleOf(roles: readonly string[]): MemberRole | undefined {
  return memberRoles.find((role) => roles.includes(role) || roles.includes(role.toLowerCase()));
}

/**
 * Claims that {@link readClaim} finds `value` in.
 * @param others claims that are there too
 */
export function claimAt(claimPath: string, value: string, others: object = {}): Payload {
  const dot = claimPath.indexOf('.');
  const name = dot < 0 ? claimPath : claimPath.slice(0, dot);
  const inside: unknown = Object.hasOwn(others, name) ? Reflect.get(others, name) : undefined;
  const beside = typeof inside === 'object' && inside !== null ? inside : {};
  const inner = dot < 0 ? value : claimAt(claimPath.slice(dot + 1), value, beside);
  return { ...others, ...Object.fromEntries([[name, inner]]) };
}

/** Of names that have dots themselves, the longest goes first. */
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
