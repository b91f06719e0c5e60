import { z } from 'zod';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import { nameSchema, validInput } from '../lib/input.ts';
import { isUuid } from '../lib/uuid.ts';
import { constraintOf } from '../postgres/sql/error-codes.ts';

/** The rule for slugs. A slug must not look like an id, because a token's claim can contain either. */
export const slugSchema = z
  .string()
  .regex(/^[a-z0-9-]{3,63}$/, { error: 'A slug must have 3 to 63 characters of a to z, 0 to 9 and -' })
  .refine((slug) => !isUuid(slug), { error: 'A slug must not look like an id' });

/** The rule for hosts, which are stored in lower case. @see https://www.rfc-editor.org/rfc/rfc1123#section-2 */
export const hostSchema = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i, {
    error: 'A host must be a name like shop.example.com, without port or path',
  })
  .toLowerCase();

/** @throws {AppError} BAD_USER_INPUT if it is not a valid slug */
export function validSlug(slug: string): string {
  return validInput('slug', slugSchema, slug);
}

/**
 * Validates a tenant's display name and returns it as it is stored.
 * @throws {AppError} BAD_USER_INPUT
 */
export function validName(name: string): string {
  return validInput('name', nameSchema, name);
}

/**
 * Validates a host and returns it as it is stored.
 * @throws {AppError} BAD_USER_INPUT
 */
export function validHost(host: string): string {
  return validInput('host', hostSchema, host);
}

/** Translates a violated unique constraint into an error that names the slug or host. */
export function takenError(
  error: unknown,
  { slug, host }: Partial<Pick<Tenant, 'slug' | 'host'>>,
): AppError | undefined {
  const constraint = constraintOf(error);
  if (constraint === 'tenants_slug_key' && slug !== undefined) return slugTaken(slug, error);
  if (constraint === 'tenants_host_key') return hostTaken(host, error);
  return undefined;
}

/** The error if another tenant has the slug. */
export function slugTaken(slug: string, cause?: unknown): AppError {
  const message = `A tenant with the slug ${slug} already exists`;
  return new AppError('SLUG_TAKEN', message, { cause, details: { field: 'slug' } });
}

/** The error if another tenant has the host. */
export function hostTaken(host: string | null | undefined, cause?: unknown): AppError {
  const message = `A tenant with the host ${host} already exists`;
  return new AppError('HOST_TAKEN', message, { cause, details: { field: 'host' } });
}
