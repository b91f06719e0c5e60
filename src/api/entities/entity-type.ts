import type { EntityClass } from '@mikro-orm/core';
import { builder } from '../builder.ts';
import { EntityModel, type FieldOptions, registerModel } from './entity-model.ts';
import { type ListInputs, listInputs } from './inputs.ts';
import type { Row } from './read.ts';

/** The fields that a module chooses from the properties of an entity. */
export type EntityFields<T> = { readonly [K in keyof T & string]?: FieldOptions };

/** Options of {@link EntityType}. */
export interface EntityTypeOptions<T> {
  /** The name in the API; by default the class's. */
  readonly name?: string;
  readonly description?: string;
  readonly fields: EntityFields<T>;
}

/** The GraphQL type of an entity, with its connection, its filter and its order. */
export class EntityType<T extends object = object> {
  readonly entity: EntityClass<T>;
  readonly model: EntityModel;
  readonly description: string | undefined;
  readonly inputs: ListInputs;
  /** The object type. Its fields read what a statement of this folder has selected. */
  readonly ref: ReturnType<typeof builder.objectRef<Row>>;
  #connection: ReturnType<typeof connectionOf> | undefined;

  /** @throws {Error} if the entity has a type already */
  constructor(entity: EntityClass<T>, { name = entity.name, description, fields }: EntityTypeOptions<T>) {
    this.entity = entity;
    // The options that are not undefined.
    this.model = new EntityModel(entity, name, fields as Readonly<Record<string, FieldOptions>>);
    this.description = description;
    registerModel(this.model);
    types.set(this.model, this);
    this.inputs = listInputs(this.model);
    this.ref = builder.objectRef<Row>(name);
  }

  /** The connection type, which exists if a field returns it. */
  get connection(): ReturnType<typeof connectionOf> {
    this.#connection ??= connectionOf(this.model.name, this.ref);
    return this.#connection;
  }
}

const types = new Map<EntityModel, EntityType>();

/** Returns the type of a model. */
export function typeOf(model: EntityModel): EntityType {
  const type = types.get(model);
  if (!type) throw new Error(`${model.name} has no type`);
  return type;
}

function connectionOf(name: string, type: ReturnType<typeof builder.objectRef<Row>>) {
  return builder.connectionObject({ type, name: `${name}Connection` }, { name: `${name}Edge` });
}
