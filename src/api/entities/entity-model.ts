import type { EntityClass, EntityMetadata, EntityProperty } from '@mikro-orm/core';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import { type ColumnKind, kindOf } from './column-kinds.ts';
import { metadataOf, propertyOf, targetOf } from './metadata.ts';

/** The directions of an order. Without NULLS they are PostgreSQL's: NULL is larger than every value. */
export type SortOrder = 'ASC' | 'DESC' | 'ASC_NULLS_FIRST' | 'DESC_NULLS_LAST';

/** The default order of a list: properties of the entity. The primary key is added to it. */
export type DefaultOrder = Readonly<Record<string, SortOrder>>;

/** How the API shows one property of an entity. */
export interface FieldOptions {
  readonly description?: string;
  /** Adds the column, or a relation to one, to the filter of lists. */
  readonly filter?: boolean;
  /** Adds the column to the order of lists. */
  readonly order?: boolean;
  /** The permission that a member needs to read the field, and to filter and order by it. */
  readonly permission?: string;
  /** Formats a value for clients; the field is then a String. NULL stays null. */
  readonly show?: (value: string) => string;
  /** The default order of a relation to many. */
  readonly orderBy?: DefaultOrder;
  /** The maximum length of an array. Makes a relation to many a plain list of up to so many items. */
  readonly maxItems?: number;
}

/** Stands for the quoted name of the tenant's schema in compiled statements. No identifier or literal can contain it. */
export const TENANT_SCHEMA = '\0';

/** What the API knows about an entity: its tables and columns from MikroORM's metadata, and the fields that a module chose. */
export class EntityModel {
  readonly entity: EntityClass<object>;
  readonly name: string;
  readonly fields: ReadonlyMap<string, FieldOptions>;
  #meta: EntityMetadata | undefined;

  constructor(entity: EntityClass<object>, name: string, fields: Readonly<Record<string, FieldOptions>>) {
    this.entity = entity;
    this.name = name;
    this.fields = new Map(Object.entries(fields));
  }

  /** MikroORM's metadata, which are complete when the GraphQL schema is built. */
  get meta(): EntityMetadata {
    this.#meta ??= checked(metadataOf(this.entity));
    return this.#meta;
  }

  /** The table's quoted name, with {@link TENANT_SCHEMA}. */
  get table(): string {
    return tableSql(this.meta.schema, this.meta.tableName);
  }

  /** The properties of the primary key. */
  get primaryKey(): readonly EntityProperty[] {
    return this.meta.getPrimaryProps();
  }

  /**
   * Returns a property with its options.
   * @throws {Error} if the module has not chosen it as a field
   */
  field(name: string): {
    readonly property: EntityProperty;
    readonly options: FieldOptions;
    readonly kind: ColumnKind;
  } {
    const options = this.fields.get(name);
    if (!options) throw new Error(`${this.name} has no field ${name}`);
    const property = propertyOf(this.meta, name);
    return { property, options, kind: kindOf(property) };
  }
}

/** Returns a quoted table name. The schema `*` becomes {@link TENANT_SCHEMA}. */
export function tableSql(schema: string | undefined, table: string): string {
  return `${schema === '*' || !schema ? TENANT_SCHEMA : quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
}

const models = new Map<string, EntityModel>();

/**
 * Registers the model of an entity, so that relations find it.
 * @throws {Error} if the entity has one already
 */
export function registerModel(model: EntityModel): void {
  const { name } = model.entity;
  if (models.has(name)) throw new Error(`The entity ${name} already has a type`);
  models.set(name, model);
}

/**
 * Returns the model of the entity that a relation leads to.
 * @throws {Error} if the entity has no type
 */
export function targetModel(relation: EntityProperty): EntityModel {
  const { className } = targetOf(relation);
  const model = models.get(className);
  if (!model)
    throw new Error(`The field ${relation.name} needs a type of ${className}. Call entityType(${className}, …).`);
  return model;
}

/** A type would show the rows of all subclasses, with the columns of one. */
function checked(meta: EntityMetadata): EntityMetadata {
  if (meta.discriminatorColumn) throw new Error(`${meta.className} has subclasses, which entity types do not support`);
  return meta;
}
