import type { EntityClass, EntityMetadata, EntityProperty, MetadataStorage } from '@mikro-orm/core';
import type { EntitySchema } from '@mikro-orm/postgresql';
import { discoverEntities } from '../../orm/databases.ts';

let storage: MetadataStorage | undefined;

/** Sets the entities of all modules, before the GraphQL schema is built from their metadata. */
export function useEntities(entities: readonly EntitySchema[]): void {
  storage = discoverEntities(entities).getMetadata();
}

/** The metadata of all entities of modules; none before {@link useEntities}. */
export function allMetadata(): readonly EntityMetadata[] {
  return storage ? [...storage.getAll().values()] : [];
}

/**
 * Returns the metadata of an entity.
 * @throws {Error} if no module has the entity
 */
export function metadataOf(entity: EntityClass<object>): EntityMetadata {
  const found = storage?.find(entity);
  if (!found) throw new Error(`${entity.name} is in no module. Add its schema to the module's list of entities.`);
  return found;
}

/**
 * Returns a property of an entity.
 * @throws {Error} if there is none of this name
 */
export function propertyOf(meta: EntityMetadata, name: string): EntityProperty {
  const property = meta.props.find((each) => each.name === name);
  if (!property) throw new Error(`The entity ${meta.className} has no property ${name}`);
  return property;
}

/** Returns the metadata of the entity that a relation leads to. */
export function targetOf({ name, targetMeta }: EntityProperty): EntityMetadata {
  if (!targetMeta) throw new Error(`${name} is not a relation`);
  return targetMeta;
}
