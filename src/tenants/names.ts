import { z } from 'zod';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import { nameSchema, validInput } from '../lib/input.ts';
import { isUuid } from '../lib/uuid.ts';
import { constraintOf } from '../postgres/sql/error-codes.ts';

/** The rule for slugs. One that looks like an id is refused, for a token's claim may hold either. */
export const slugSchema = z
  .string()
  .regex(/^[a-z0-9-]{3,63}$/, { error: 'A slug has 3 to 63 characters of a to z, 0 to 9 and -' })
  .refine((slug) => !isUuid(slug), { error: 'A slug must not look like an id' });

/** The rule for hosts, which are kept in small letters. @see https://www.rfc-editor.org/rfc/rfc1123#section-2 */
export const hostSchema = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i, {
    error: 'A host is a name like shop.example.com, without port or path',
  })
  .toLowerCase();

/** @throws {AppError} BAD_USER_INPUT if it can be no slug */
export function validSlug(slug: string): string {
  return validInput('slug', slugSchema, slug);
}

/**
 * What people call a tenant, as it is stored.
 * @throws {AppError} BAD_USER_INPUT
 */
export function validName(name: string): string {
  return validInput('name', nameSchema, name);
}

/**
 * A host, as it is stored.
 * @throws {AppError} BAD_USER_INPUT
 */
export function validHost(host: string): string {
  return validInput('host', hostSchema, host);
}

/** What to say when another tenant has the slug or host that was to be written. */
export function takenError(
  error: unknown,
  { slug, host }: Partial<Pick<Tenant, 'slug' | 'host'>>,
): AppError | undefined {
  const constraint = constraintOf(error);
  if (constraint === 'tenants_slug_key' && slug !== undefined) return slugTaken(slug, error);
  if (constraint === 'tenants_host_key') return hostTaken(host, error);
  return undefined;
}

/** What to say when another tenant has the slug. */
export function slugTaken(slug: string, cause?: unknown): AppError {
  const message = `There is a tenant with the slug ${slug} already`;
  return new AppError('SLUG_TAKEN', message, { cause, details: { field: 'slug' } });
}

/** What to say when another tenant has the host. */
export function hostTaken(host: string | null | undefined, cause?: unknown): AppError {
  const message = `There is a tenant with the host ${host} already`;
  return new AppError('HOST_TAKEN', message, { cause, details: { field: 'host' } });
}
