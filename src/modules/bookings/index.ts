import type { EntityManager } from '@mikro-orm/postgresql';
import {
  AppointmentSchema,
  BlockedTimeSchema,
  BreakSchema,
  ServiceCategorySchema,
  ServiceSchema,
  StaffMemberSchema,
  StaffServiceSchema,
  WorkingHoursSchema,
} from './bookings.entity.ts';
import { examples } from './examples.ts';

/** The example of bookings: services, staff and their time, appointments. */
export const bookings = {
  entities: [
    ServiceCategorySchema,
    ServiceSchema,
    StaffMemberSchema,
    StaffServiceSchema,
    WorkingHoursSchema,
    BreakSchema,
    BlockedTimeSchema,
    AppointmentSchema,
  ],
  schema: () => import('./schema.ts'),
  examples,
  neutralize: async (em: EntityManager) => (await import('./neutralize.ts')).neutralize(em),
};
