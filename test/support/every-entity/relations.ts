import { p } from '@mikro-orm/core';
import { type EntityGroups, entity, id } from './entity.ts';

const one = () => entity({ name: 'One', tableName: 'ones', properties: { id: id(), code: p.text().unique() } });

/** Tables that refer to each other, or inherit from each other. */
export const relations: EntityGroups = {
  'relations of every kind': () => {
    const target = one();
    const many = entity({
      name: 'Many',
      tableName: 'manies',
      properties: {
        id: id(),
        required: () => p.manyToOne(target).ref().index('manies_required_id_idx'),
        optional: () => p.manyToOne(target).ref().nullable().index(),
        cascading: () => p.manyToOne(target).ref().deleteRule('cascade').updateRule('no action').index(),
        nulling: () => p.manyToOne(target).ref().nullable().deleteRule('set null').index(),
        deferred: () => p.manyToOne(target).ref().deferMode('deferred').index(),
        named: () => p.manyToOne(target).ref().foreignKeyName('manies_named').index(),
        free: () => p.manyToOne(target).ref().createForeignKeyConstraint(false),
        single: () => p.oneToOne(target).ref(),
        parent: () => p.manyToOne(many).ref().nullable().index(),
        tags: () => p.manyToMany(target),
        ordered: () => p.manyToMany(target).fixedOrder().pivotTable('manies_ordered'),
      },
    });
    const part = entity({
      name: 'Part',
      tableName: 'parts',
      properties: {
        many: () => p.manyToOne(many).primary().ref(),
        position: p.integer().primary(),
      },
    });
    const piece = entity({
      name: 'Piece',
      tableName: 'pieces',
      properties: { id: id(), part: () => p.manyToOne(part).ref() },
    });
    return [target, many, part, piece];
  },
  'single table inheritance': () => {
    const animal = entity({
      name: 'Animal',
      tableName: 'animals',
      discriminatorColumn: 'kind',
      discriminatorValue: 'animal',
      properties: { id: id(), kind: p.string(), name: p.text() },
    });
    return [
      animal,
      entity({ name: 'Dog', extends: animal, discriminatorValue: 'dog', properties: { breed: p.text().nullable() } }),
    ];
  },
  'a table for each type': () => {
    const animal = entity({
      name: 'Animal',
      tableName: 'animals',
      inheritance: 'tpt',
      properties: { id: id(), name: p.text().check("name <> ''") },
    });
    return [animal, entity({ name: 'Dog', tableName: 'dogs', extends: animal, properties: { breed: p.text() } })];
  },
};
