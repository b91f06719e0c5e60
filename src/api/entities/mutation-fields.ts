import { type FilterQuery, LockMode, type RequiredEntityData } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError } from '../../lib/errors.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { timeText } from '../scalars.ts';
import { kindOf } from './column-kinds.ts';
import type { EntityModel } from './entity-model.ts';
import type { EntityType } from './entity-type.ts';
import { type InputFields, type InputValues, inputType, validInput } from './input.ts';
import { leafType } from './inputs.ts';
import type { RootBuilder, RootFieldOptions } from './list-fields.ts';
import { propertyOf } from './metadata.ts';
import { readEntity } from './one-field.ts';
import { notFound } from './read.ts';
import { parameterOf } from './sql/column.ts';

/** Options of all mutations of an object. */
export interface ChangeOptions<T> extends RootFieldOptions {
  /**
   * Called in the transaction that has written or deleted the object; an error undoes both. For rules that concern other
   * rows, which it should lock.
   */
  readonly check?: (em: EntityManager, changed: T) => Promise<void>;
}

/** Options of mutations that write an object. */
export interface WriteOptions<T> extends ChangeOptions<T> {
  readonly input: InputFields<T>;
  /**
   * Checks or completes valid values before they are written. For rules that concern several fields, or need the database.
   * @param stored the object that is updated, which is locked; undefined for a new one
   * @param em is in the transaction that writes the object
   */
  readonly prepare?: (
    values: InputValues<T>,
    context: Context,
    stored: T | undefined,
    em: EntityManager,
  ) => InputValues<T> | Promise<InputValues<T>>;
}

/** A mutation that creates an object from `input` and returns it. */
export function createField<T extends object>(t: RootBuilder, type: EntityType<T>, options: WriteOptions<T>) {
  const { input, prepare, check, ...rest } = options;
  const { model, entity } = type;
  return t.field({
    ...rest,
    type: type.ref,
    args: { input: t.arg({ type: inputType(model, input, 'Create'), required: true }) },
    resolve: async (_root, args, context, info) => {
      const valid = await validInput(model, input, args.input);
      // An object that cannot be written must not stay in the request's entity manager.
      const created = await context.tenant.em.fork().transactional(async (em) => {
        const values = prepare ? await prepare(valid, context, undefined, em) : valid;
        // The input has all fields that are required.
        const added = em.create(entity, values as unknown as RequiredEntityData<T>);
        await em.flush();
        await check?.(em, added);
        return added;
      });
      return readEntity(type, context, info, created);
    },
  });
}

/**
 * A mutation that changes those properties of an object that `input` has, and returns the object. If the entity has a
 * version, the argument `version` refuses to overwrite changes that the client has not seen.
 */
export function updateField<T extends object>(t: RootBuilder, type: EntityType<T>, options: WriteOptions<T>) {
  const { input, prepare, check, ...rest } = options;
  const { model, entity } = type;
  const { versionProperty } = model.meta;
  const version = versionProperty === undefined ? undefined : leafType(model, propertyOf(model.meta, versionProperty));
  return t.field({
    ...rest,
    type: type.ref,
    args: {
      ...keyArgs(model),
      input: t.arg({ type: inputType(model, input, 'Update'), required: true }),
      ...(version && { version: t.arg({ type: version, description: 'The version that the changes are meant for.' }) }),
    },
    resolve: async (_root, args, context, info) => {
      const key = keyOf(model, args);
      const valid = await validInput(model, input, args.input);
      const updated = await context.tenant.em.fork().transactional(async (em) => {
        const stored = await em.findOne(entity, key as FilterQuery<NoInfer<T>>, {
          lockMode: LockMode.PESSIMISTIC_WRITE,
        });
        if (!stored) throw notFound(model, key);
        if (versionProperty !== undefined) checkVersion(model, Reflect.get(stored, versionProperty), args);
        const values = prepare ? await prepare(valid, context, stored, em) : valid;
        em.assign(stored, values as Parameters<typeof em.assign<T>>[1]);
        await em.flush();
        await check?.(em, stored);
        return stored;
      });
      return readEntity(type, context, info, updated);
    },
  });
}

/** A mutation that deletes an object and returns whether there was one. */
export function deleteField<T extends object>(
  t: RootBuilder,
  { model, entity }: EntityType<T>,
  { check, ...options }: ChangeOptions<T>,
) {
  return t.boolean({
    ...options,
    args: keyArgs(model),
    resolve: async (_root, args, { tenant }) => {
      const key = keyOf(model, args) as FilterQuery<NoInfer<T>>;
      if (!check) return (await tenant.em.fork().nativeDelete(entity, key)) > 0;
      return tenant.em.fork().transactional(async (em) => {
        const stored = await em.findOne(entity, key, { lockMode: LockMode.PESSIMISTIC_WRITE });
        if (!stored) return false;
        await em.nativeDelete(entity, key);
        await check(em, stored);
        return true;
      });
    },
  });
}

function keyArgs(model: EntityModel) {
  return builder.args((t) =>
    Object.fromEntries(
      model.primaryKey.map((property) => [property.name, t.field({ type: leafType(model, property), required: true })]),
    ),
  );
}

/** The primary key in the arguments, by the names of its properties. */
function keyOf(model: EntityModel, args: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const parts = model.primaryKey.map(
    (property) => [property.name, parameterOf(property.name, kindOf(property), args[property.name])] as const,
  );
  return Object.fromEntries(parts);
}

function checkVersion({ name }: EntityModel, stored: unknown, args: object): void {
  const expected: unknown = Reflect.get(args, 'version');
  const textOf = (value: unknown) => (value instanceof Date ? timeText(value) : String(value));
  if (expected == null || textOf(expected) === textOf(stored)) return;
  throw new AppError('CONFLICT', `The ${name} has been changed since version ${textOf(expected)}. Read it again.`, {
    details: { field: 'version' },
  });
}
